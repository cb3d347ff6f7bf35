"""The ledger as the referee of the audit: it sees each way in which the audit could be wrong."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.accounting import DELIVERED, Expected, Key, Snapshot
from local.chaos.auditing import Audit, disagreements, read

REFUSED = "refused by the audit"
# What became of an event that was offered, or that nobody offered, and what the audit has to say of it.
FATES = ("matched", "missing", "undecided", "blocked?", "different", "unexpected", REFUSED)
LEDGER = {
    "matched": (True, True),
    "different": (True, True),
    "missing": (True, False),
    "undecided": (True, False),
    "blocked?": (True, False),
    REFUSED: (True, False),
    "unexpected": (False, True),
}


def key(number: int, *, time_ms: int = 5) -> Key:
    """Return an event."""
    return Key("Name", "7", time_ms, f"row-{number}")


def ledger(fates: Iterable[str]) -> tuple[Expected, Snapshot]:
    """Return what was offered, and what Mixpanel has, of events with these fates."""
    offered, there = {}, []
    for number, fate in enumerate(fates):
        is_offered, is_there = LEDGER[fate]
        if is_offered:
            offered[key(number)] = DELIVERED
        if is_there:
            there.append(key(number, time_ms=6 if fate == "different" else 5))
    return Expected(offered), Snapshot(there, [], [])


def audit_of(fates: Iterable[str]) -> Audit:
    """Return what a sound audit says of them."""
    lines = [
        {"kind": "event", "verdict": fate, "insert_id": f"row-{number}"}
        for number, fate in enumerate(fates)
        if fate not in ("matched", REFUSED)
    ]
    count = {fate: sum(each == fate for each in fates) for fate in FATES}
    summary = {"kind": "summary", "verdicts": {"matched": count["matched"]}, "refused": count[REFUSED]}
    return read(map(json.dumps, [summary, {"kind": "count"}, *lines]))


@given(st.lists(st.sampled_from(FATES), max_size=12))
def test_a_sound_audit_agrees(fates: list[str]) -> None:
    """Whatever became of the events."""
    assert disagreements(audit_of(fates), *ledger(fates)) == []


@given(st.lists(st.sampled_from(FATES), min_size=1, max_size=12), st.data())
def test_an_audit_that_is_wrong_about_one_event_disagrees(fates: list[str], data: st.DataObject) -> None:
    """It says of any event what is true of another kind of event."""
    wrong = list(fates)
    place = data.draw(st.integers(0, len(fates) - 1))
    wrong[place] = data.draw(
        st.sampled_from([fate for fate in FATES if LEDGER[fate] != LEDGER[fates[place]]])
    )

    assert disagreements(audit_of(wrong), *ledger(fates)) != []


@pytest.mark.parametrize(("said", "true"), [("matched", "different"), ("different", "matched")])
def test_an_event_with_other_fields_is_told_apart(said: str, true: str) -> None:
    """It was offered and is there, under the same insert id."""
    assert disagreements(audit_of(["matched", said]), *ledger(["matched", true])) != []


@pytest.mark.parametrize("others", [{}, {"missing": {"row-9"}}])
def test_a_blind_audit_disagrees(others: Mapping[str, set[str]]) -> None:
    """One that finds all well, or names another event than the one that is lost."""
    sound = audit_of(["matched", "missing"])
    blind = replace(sound, found=others)

    [problem] = disagreements(blind, *ledger(["matched", "missing"]))

    assert problem.startswith("absent events on which the audit disagrees")
