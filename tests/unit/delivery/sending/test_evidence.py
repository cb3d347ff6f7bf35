"""Evidence against an event: no pattern of refusals beats chance, and one trial is never enough."""

import random
from itertools import combinations, product
from math import comb

import pytest

from tests.builders import make_event, make_record
from whyness_events.delivery.items import Item, Record
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict
from whyness_events.delivery.sending.evidence import ENOUGH_ODDS, TRIAL_ODDS, Delivered, Evidence, copies
from whyness_events.delivery.sending.trial import Trial, trials
from whyness_events.outcomes import Reason

PASSED, REFUSED = Verdict(Reaction.CONFIRMED, 200, ""), Verdict(Reaction.SPLIT, 403, "Mixpanel answered 403")


def make_item() -> Item:
    """Return an event ready to be posted."""
    event = make_event()
    return Item(make_record(event), 0, event, "distinct_id", event.insert_id.encode())


@pytest.mark.parametrize(("refusals", "passes"), [(1, 1), (2, 2), (2, 3), (3, 3)])
def test_no_pattern_of_refusals_fits_more_than_one_order(refusals: int, passes: int) -> None:
    """Whatever is refused when, at most one order of `comb(n + m, n)` makes it evidence of that worth."""
    slots = refusals + passes
    for pattern in product([PASSED, REFUSED], repeat=slots):
        found = 0
        for places in combinations(range(slots), refusals):
            evidence, suspect, control = Evidence(), make_item(), make_item()
            trial = Trial([suspect], control, refusals, passes)
            for slot, verdict in enumerate(pattern):
                trial.answered(suspect if slot in places else control, verdict)
            trial.conclude(evidence)
            speaks = evidence.of(suspect)
            found += speaks is not None and speaks.odds == comb(slots, refusals)
        assert found <= 1


@pytest.mark.parametrize("suspects", range(1, 17))
def test_a_trial_is_worth_half_and_no_more(suspects: int) -> None:
    """Two trials are enough and one is not; the more events share the controls, the fewer copies of each."""
    each, controls = copies(suspects)
    evidence, item = Evidence(), make_item()

    first = evidence.add(item, [403] * each, controls)
    second = evidence.add(item, [403] * each, controls)

    assert (first.odds, second.odds) == (TRIAL_ODDS, ENOUGH_ODDS)
    assert (first.is_enough, second.is_enough) == (False, True)
    assert copies(16)[0] <= each <= copies(1)[0]
    assert evidence.add(make_item(), [403] * 1_000, 1_000).odds == TRIAL_ODDS


def test_the_order_is_drawn_by_lot_and_holds_what_was_planned() -> None:
    """Nobody can foresee where the controls are."""
    items, control = [make_item() for _ in range(3)], make_item()
    trial = Trial(items, control, 6, 16)

    orders = [trial.order(random.Random(seed)) for seed in range(2)]  # noqa: S311  (a test's draws)

    assert orders[0] != orders[1]
    assert [orders[0].count(item) for item in (*items, control)] == [6, 6, 6, 16]


def test_refusals_without_a_pass_between_are_no_evidence() -> None:
    """An event is not blamed by itself, however often it is refused."""
    evidence, item = Evidence(), make_item()

    for _ in range(100):
        trial = Trial([item], make_item(), 8, 0)
        for _ in range(8):
            trial.answered(item, REFUSED)
        trial.conclude(evidence)

    assert item.result.reason is Reason.RETRY


def test_those_against_which_the_most_speaks_are_tried_first() -> None:
    """Events with evidence are tried before others; those with enough are sent only once more."""
    evidence, control = Evidence(), make_item()
    unknown, known, sure = (make_item() for _ in range(3))
    evidence.add(known, [403] * 8, 11)
    evidence.add(sure, [403] * 8, 11)
    evidence.add(sure, [403] * 8, 11)

    first, second = trials([unknown, known, sure], control, evidence)

    assert (first.suspects, first.suspect_copies, first.control_copies) == ([sure], 1, 1)
    assert second.suspects == [known, unknown]


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    """A container that lives for weeks does not fill up."""
    evidence, delivered = Evidence(), Delivered()
    items = [Item(Record("message", ""), 0, encoded=str(number).encode()) for number in range(50_001)]

    for item in items:
        evidence.suspect(item, 403)
        delivered.add(item)

    assert sum(evidence.of(item) is not None for item in items) == 4_096
    assert sum(item in delivered for item in items) == 50_000
    assert evidence.of(items[-1])
    assert items[0] not in delivered
