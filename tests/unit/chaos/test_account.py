from collections.abc import Sequence

import pytest

from local.chaos.account import Account, Found, Letter, account
from local.chaos.load import Load
from local.reconcile import Key

GOOD, OTHER, BAD, POISON = (Key("click", "1", 1_000 + n, f"row-{n}") for n in range(4))
LOAD = Load("row", (), {GOOD: "", OTHER: "", BAD: "rejected", POISON: "crashed"})
FATED = (Letter("rejected", (BAD,)), Letter("crashed", (POISON,)))


def accounted(
    at_mixpanel: Sequence[Key] = (GOOD, OTHER), letters: Sequence[Letter] = FATED, waiting: Sequence[Key] = ()
) -> Account:
    """Return the account of what was found."""
    return account(LOAD, Found(at_mixpanel, letters, waiting))


def test_each_event_with_its_own_fate_is_sound() -> None:
    """Nothing lost, nothing double, nothing unexplained."""
    found = accounted()

    assert found == Account(4, delivered=2, dead=2, lost=0, double_counted=0, unexplained=0, waiting=0)
    assert found.is_sound


def test_an_event_that_is_nowhere_is_lost() -> None:
    """Neither at Mixpanel nor dead nor waiting."""
    found = accounted(at_mixpanel=[GOOD])

    assert (found.lost, found.is_sound) == (1, False)


def test_an_event_with_another_time_is_lost_and_counts_twice_beside_its_original() -> None:
    """Only all four fields together are the event; the same insert id twice is one event too many."""
    moved = OTHER._replace(time_ms=5)

    assert accounted(at_mixpanel=[GOOD, moved]).lost == 1
    assert accounted(at_mixpanel=[GOOD, OTHER, moved]).double_counted == 1


@pytest.mark.parametrize("reason", ["rejected", "oversized", "unreadable", "unknown"])
def test_delivered_and_dead_is_double(reason: str) -> None:
    """Mixpanel has it, and a letter would send it again, for a reason that says it never counted."""
    found = accounted(letters=[*FATED, Letter(reason, (GOOD,))])

    assert found.double_counted == 1


@pytest.mark.parametrize("reason", ["crashed", "exhausted"])
def test_delivered_and_dead_is_not_double_where_the_last_answer_was_unknown(reason: str) -> None:
    """But it is unexplained, for nothing was wrong with the event."""
    found = accounted(letters=[*FATED, Letter(reason, (GOOD,))])

    assert (found.double_counted, found.unexplained) == (0, 1)


@pytest.mark.parametrize(
    "letter",
    [
        Letter("rejected", (OTHER,)),  # nothing was wrong with it
        Letter("exhausted", (BAD,)),  # it should have died of something else
        Letter("unknown", ()),
        Letter("", ()),
        Letter("unreadable", ()),  # whose events are in there?
    ],
)
def test_a_letter_that_should_not_be_there_is_unexplained(letter: Letter) -> None:
    """Whether its event, its reason or its content is wrong."""
    found = accounted(at_mixpanel=[GOOD, OTHER], letters=[*FATED, letter])

    assert found.unexplained >= 1
    assert not found.is_sound


def test_a_bad_event_that_arrives_is_unexplained() -> None:
    """What should have been refused was not."""
    found = accounted(at_mixpanel=[GOOD, OTHER, BAD], letters=FATED[1:])

    assert found.unexplained == 1


def test_what_still_waits_is_neither_lost_nor_sound() -> None:
    """A queue that does not drain is a fault of the row, and no loss."""
    found = accounted(at_mixpanel=[GOOD], waiting=[OTHER])

    assert (found.lost, found.waiting, found.is_sound) == (0, 1, False)


def test_events_of_another_row_are_left_aside() -> None:
    """A late copy of the row before changes nothing."""
    before = Key("click", "1", 1, "earlier-1")

    found = accounted(at_mixpanel=[GOOD, OTHER, before], letters=[*FATED, Letter("crashed", (before,))])

    assert found == accounted()
