"""Records and the events in them, each on its way to exactly one outcome."""

import pytest

from tests.builders import make_event, make_record
from whyness_events.delivery.items import Item, RecordEvents, to_send
from whyness_events.outcomes import DELIVERED, Outcome, Reason


def test_event_left_without_an_outcome_is_a_bug_that_shows() -> None:
    """Nothing is acknowledged by default."""
    with pytest.raises(RuntimeError):
        _ = Item(make_record(), 0).result


def test_repeat_shares_the_outcome_of_the_first() -> None:
    """The outcome of the event that is sent is that of both."""
    first = Item(make_record(), 0)
    repeat = Item(make_record(), 0, first=first)

    first.outcome = Outcome(Reason.REJECTED, "why", 400)

    assert repeat.result is first.outcome


def test_repeat_of_what_has_no_outcome_has_none() -> None:
    """A repeat is not delivered by being a repeat."""
    repeat = Item(make_record(), 0, first=Item(make_record(), 0))

    with pytest.raises(RuntimeError):
        _ = repeat.result


def test_insert_id_is_that_of_the_event() -> None:
    """An item without a valid event has none."""
    assert Item(make_record(), 0, make_event(insert_id="4711")).insert_id == "4711"
    assert Item(make_record(), 0).insert_id == ""


def test_items_are_told_apart_by_who_they_are() -> None:
    """Two equal events are two items: each has its own place in a set."""
    record, event = make_record(), make_event()

    assert len({Item(record, 0, event), Item(record, 0, event)}) == 2


def test_only_what_still_needs_an_answer_is_sent() -> None:
    """Record by record; neither what is refused already, nor repeats, nor records with nothing left."""
    record = make_record()
    sent, also_sent = Item(record, 0), Item(record, 3)
    refused = Item(record, 1, outcome=Outcome(Reason.REJECTED))
    repeat = Item(record, 2, first=sent)
    other = make_record()
    done = Item(other, 0, outcome=DELIVERED)

    groups = to_send([RecordEvents(record, [sent, refused, repeat, also_sent]), RecordEvents(other, [done])])

    assert groups == [[sent, also_sent]]


@pytest.mark.parametrize("reason", Reason)
def test_every_outcome_either_ends_or_stays(reason: Reason) -> None:
    """Delivered, dead or waiting: one of them, never two."""
    assert [reason is Reason.DELIVERED, reason.is_dead, reason.is_waiting].count(True) == 1


def test_outcomes_are_a_closed_list_of_at_most_twelve() -> None:
    """Each is a metric that is billed."""
    assert len(Reason) <= 12
    assert {str(reason) for reason in Reason if reason.is_dead} == {
        "rejected",
        "oversized",
        "unreadable",
        "exhausted",
    }
