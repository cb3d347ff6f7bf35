from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.accounting import (
    DELIVERED,
    Account,
    DeadLetter,
    Expected,
    Fate,
    Key,
    Snapshot,
    Waiting,
    account,
    key_at_mixpanel,
    keys_in,
)


def key(number: int) -> Key:
    """Return an event of its own."""
    return Key("click", "1", 1_000 + number, f"row-{number}")


def letter(reason: str, *keys: Key, message_id: str = "m") -> DeadLetter:
    """Return a dead letter with events."""
    return DeadLetter(Fate(message_id, reason, by_mixpanel=False), "", keys)


GOOD, OTHER, BAD, POISON = map(key, range(4))
UNREADABLE = letter("unreadable", message_id="raw")
EXPECTED = Expected(
    {GOOD: DELIVERED, OTHER: DELIVERED, BAD: "rejected", POISON: "crashed"}, [UNREADABLE.fate]
)
LETTERS = (letter("rejected", BAD), letter("crashed", POISON), UNREADABLE)
SOUND = Account(5, delivered=2, dead=3, lost=0, double_counted=0, unexplained=0, waiting=0)


def accounted(
    at_mixpanel: Sequence[Key] = (GOOD, OTHER),
    letters: Sequence[DeadLetter] = LETTERS,
    waiting: Sequence[Waiting] = (),
) -> Account:
    """Return the account of a snapshot."""
    return account(EXPECTED, Snapshot(at_mixpanel, letters, waiting))


def test_each_event_with_its_own_fate_is_no_problem() -> None:
    """Nothing is lost, counted twice or unexplained."""
    assert accounted() == SOUND
    assert SOUND.problems == []


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"at_mixpanel": [GOOD]}, ["events lost: 1"]),
        ({"letters": LETTERS[:2]}, ["events lost: 1"]),
        ({"letters": LETTERS[1:]}, ["events lost: 1"]),
        # Only all four fields together are the event.
        ({"at_mixpanel": [GOOD, OTHER._replace(user="2")]}, ["events lost: 1", "events unexplained: 1"]),
        ({"at_mixpanel": [GOOD, OTHER, OTHER]}, ["events counted twice: 1"]),
        (
            {"at_mixpanel": [GOOD, OTHER, OTHER._replace(time_ms=5)]},
            ["events counted twice: 1", "events unexplained: 1"],
        ),
        ({"at_mixpanel": [GOOD, OTHER, key(9)]}, ["events unexplained: 1"]),
        ({"at_mixpanel": [GOOD, OTHER, BAD], "letters": LETTERS[1:]}, ["events unexplained: 1"]),
        (
            {"at_mixpanel": [GOOD], "letters": [*LETTERS, letter("rejected", OTHER)]},
            ["events unexplained: 1"],
        ),
        ({"letters": [*LETTERS[1:], letter("exhausted", BAD)]}, ["events unexplained: 1"]),
        ({"letters": [*LETTERS, letter("unknown")]}, ["events unexplained: 1"]),
        ({"letters": [*LETTERS, letter("")]}, ["events unexplained: 1"]),
        ({"letters": [*LETTERS, letter("unreadable")]}, ["events unexplained: 1"]),
        ({"letters": [*LETTERS, UNREADABLE]}, ["events unexplained: 1"]),
        (
            {"letters": [*LETTERS[:2], UNREADABLE._replace(fate=UNREADABLE.fate._replace(by_mixpanel=True))]},
            ["events lost: 1", "events unexplained: 1"],
        ),
        ({"at_mixpanel": [GOOD], "waiting": [Waiting("m", (OTHER,))]}, ["events still in the queue: 1"]),
        ({"letters": LETTERS[:2], "waiting": [Waiting("raw", ())]}, ["events still in the queue: 1"]),
    ],
)
def test_each_way_to_go_wrong_is_a_problem(changes: dict[str, Any], problems: list[str]) -> None:
    """Missing, duplicate, wrong and late events are counted under their name only."""
    assert accounted(**changes).problems == problems


@pytest.mark.parametrize(
    ("reason", "double"),
    [("rejected", 1), ("oversized", 1), ("unknown", 1), ("crashed", 0), ("exhausted", 0)],
)
def test_delivered_and_dead_is_double_unless_the_last_answer_was_unknown(reason: str, double: int) -> None:
    """The reason says that it never counted, so that a redrive would count it again."""
    counts = accounted(letters=[*LETTERS, letter(reason, GOOD)])

    assert counts.double_counted == double
    assert counts.unexplained >= 1


def test_events_of_another_load_are_left_aside() -> None:
    """A late duplicate of an earlier load changes nothing; a dead letter that cannot be read stays."""
    earlier = Key("click", "1", 1, "earlier-1")
    snapshot = Snapshot(
        [GOOD, OTHER, earlier],
        [*LETTERS, letter("crashed", earlier)],
        [Waiting("m", (earlier,)), Waiting("n", ())],
    )

    assert account(EXPECTED, snapshot.of("row-")) == SOUND


@given(places=st.lists(st.sampled_from(["mixpanel", "dead", "queue", "nowhere"]), max_size=30))
def test_lost_are_exactly_those_that_are_nowhere(places: list[str]) -> None:
    """However the events are spread, each is counted in one place."""
    at: dict[str, list[Key]] = {place: [] for place in ("mixpanel", "dead", "queue", "nowhere")}
    for number, place in enumerate(places):
        at[place].append(key(number))
    expected = {
        event: "rejected" if event in at["dead"] else DELIVERED for keys in at.values() for event in keys
    }
    snapshot = Snapshot(
        at["mixpanel"],
        [letter("rejected", event) for event in at["dead"]],
        [Waiting(event.insert_id, (event,)) for event in at["queue"]],
    )

    counts = account(Expected(expected), snapshot)

    assert (counts.delivered, counts.dead) == (len(at["mixpanel"]), len(at["dead"]))
    assert (counts.waiting, counts.lost) == (len(at["queue"]), len(at["nowhere"]))
    assert counts.offered == len(places)
    assert (not counts.problems) == (set(places) <= {"mixpanel", "dead"})


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ('{"insert_id": "1", "event": "e", "user": "2", "time": 3, "ip": "x"}', (Key("e", "2", 3, "1"),)),
        (
            '{"events": [{"insert_id": "1", "event": "e", "user": "2", "time": 3}, {"event": "e"}, 4]}',
            (Key("e", "2", 3, "1"),),
        ),
        ("not JSON", ()),
        ("[1]", ()),
        ("7", ()),
        ("[" * 100_000, ()),
    ],
)
def test_keys_are_read_from_any_body(body: str, keys: tuple[Key, ...]) -> None:
    """Events that have all four fields are returned; a body without any is not an error."""
    assert keys_in(body) == keys


def test_key_of_an_event_at_mixpanel() -> None:
    """The four fields have other names there."""
    event = {
        "event": "e",
        "properties": {"distinct_id": "2", "time": 3, "$insert_id": "1", "ip": 0},
    }

    assert key_at_mixpanel(event) == Key("e", "2", 3, "1")
