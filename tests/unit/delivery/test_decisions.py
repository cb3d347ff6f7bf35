"""The pure steps between an answer and an outcome, one by one, and every field of what they decide."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_event, make_record
from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel import answers
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict
from whyness_events.delivery.sending import blame
from whyness_events.delivery.sending.blame import (
    blamed,
    may_be_blamed,
    rejected,
    too_small,
    under_trial,
    waiting,
    without_control,
)
from whyness_events.delivery.sending.container_state import OVERSIZED_FROM_BYTES, RequestSize
from whyness_events.delivery.sending.evidence import ENOUGH_ODDS, TRIAL_ODDS, Evidence, Suspicion
from whyness_events.delivery.sending.in_flight import Request
from whyness_events.delivery.sending.packing import body_bytes
from whyness_events.delivery.sending.splitting import EXTRA_REQUESTS, Splitting
from whyness_events.delivery.sending.trial import Trial, trials
from whyness_events.outcomes import DELIVERED, Outcome, Reason

PASSED = Verdict(Reaction.CONFIRMED, 200, "")
NAMING = Verdict(Reaction.CONFIRMED, 400, "", {0: "properties.time: refused"})
FORBIDDEN = Verdict(Reaction.SPLIT, 403, "said 403")
TOO_LARGE = Verdict(Reaction.SPLIT, 413, "said 413")
UNEXPLAINED = Verdict(Reaction.SPLIT, 400, "said 400")
LOST = Verdict(Reaction.RETRY, 503, "said 503")
SETUP = Verdict(Reaction.SETUP, 404, "said 404")
THROTTLED = Verdict(Reaction.THROTTLED, 429, "said 429", retry_after_s=30.0)
UNAUTHORISED = Verdict(Reaction.UNAUTHORISED, 401, "said 401")


def make_item(size_bytes: int = 0) -> Item:
    """Return an event ready to be posted, of at least so many bytes."""
    event = make_event()
    return Item(make_record(event), 0, event, "distinct_id", event.insert_id.encode().ljust(size_bytes))


def make_items(count: int) -> list[Item]:
    """Return so many."""
    return [make_item() for _ in range(count)]


# --- blame


# Called in the test: what is made while pytest reads the table would be made by unchanged code.
@pytest.mark.parametrize(
    ("find", "expected"),
    [
        (lambda: waiting(LOST), Outcome(Reason.RETRY, "said 503", 503)),
        (lambda: waiting(LOST, "more"), Outcome(Reason.RETRY, "more", 503)),
        (lambda: waiting(THROTTLED), Outcome(Reason.THROTTLED, "said 429", 429, 30.0)),
        (lambda: waiting(SETUP), Outcome(Reason.SETUP, "said 404", 404)),
        (lambda: waiting(UNAUTHORISED), Outcome(Reason.SETUP, "said 401", 401)),
        (lambda: rejected("why", 400), Outcome(Reason.REJECTED, "why", 400)),
        (lambda: too_small(TOO_LARGE), Outcome(Reason.SETUP, "said 413 to this event alone", 413)),
        (
            lambda: without_control(FORBIDDEN),
            Outcome(Reason.SETUP, "said 403 to this event alone; nothing else passed", 403, soon=True),
        ),
        (
            lambda: under_trial(None),
            Outcome(Reason.RETRY, "refused alone; retried to rule out chance", 0, soon=True),
        ),
        (
            lambda: under_trial(Suspicion(403)),
            Outcome(Reason.RETRY, "refused alone; retried to rule out chance", 403, soon=True),
        ),
        (
            lambda: under_trial(Suspicion(403, 8)),
            Outcome(
                Reason.RETRY,
                "refused alone 8 times while others passed; retried to rule out chance",
                403,
                soon=True,
            ),
        ),
    ],
)
def test_what_waits_says_why_and_for_how_long(find: Callable[[], Outcome], expected: Outcome) -> None:
    """Reason, sentence, status, pause, and whether it comes back soon."""
    assert find() == expected


@pytest.mark.parametrize(
    ("verdict", "reason", "may_count"),
    [
        (FORBIDDEN, Reason.REJECTED, False),
        (TOO_LARGE, Reason.OVERSIZED, False),
        (UNEXPLAINED, Reason.REJECTED, True),
    ],
)
def test_what_is_blamed_says_how_often_it_was_refused(
    verdict: Verdict, reason: Reason, *, may_count: bool
) -> None:
    """An answer that was not understood may hide that the event was imported."""
    found = blamed(make_item(OVERSIZED_FROM_BYTES + 1), verdict, Suspicion(verdict.status, 16, ENOUGH_ODDS))

    detail = f"refused 16 times between requests that passed; {verdict.detail} to this event alone"
    assert found == Outcome(reason, detail, verdict.status, may_count=may_count)


def test_each_status_that_may_be_one_events_fault_has_its_outcome() -> None:
    """Otherwise its events would die as rejected, and as perhaps counted."""
    splitting = {status for status, reaction in answers._BY_STATUS.items() if reaction is Reaction.SPLIT}

    assert splitting == blame._DECLINED.keys()


@pytest.mark.parametrize("size_bytes", [OVERSIZED_FROM_BYTES, OVERSIZED_FROM_BYTES + 1])
def test_only_a_large_event_is_too_large(size_bytes: int) -> None:
    """The limit is exact to the byte; other refusals may blame an event of any size."""
    item, is_large = make_item(size_bytes), size_bytes > OVERSIZED_FROM_BYTES

    assert may_be_blamed(item, TOO_LARGE) is is_large
    assert may_be_blamed(item, FORBIDDEN)
    assert (blamed(item, TOO_LARGE, Suspicion()).reason is Reason.SETUP) is not is_large
    if not is_large:
        assert blamed(item, TOO_LARGE, Suspicion()) == too_small(TOO_LARGE)


# --- evidence


def test_a_trial_adds_refusals_and_multiplies_odds() -> None:
    """A trial adds at most half of what is enough; refusals with different statuses add nothing."""
    evidence, item = Evidence(), make_item()

    assert evidence.add(item, [403, 403], 2) == Suspicion(403, 2, 6)
    assert evidence.add(item, [403], 1) == Suspicion(403, 3, 12)
    assert evidence.add(item, [413, 413, 413], 1) == Suspicion(413, 3, 4)
    assert evidence.add(item, [413, 403], 5) == Suspicion(403, 2, 1)
    assert evidence.add(item, [403] * 30, 30) == Suspicion(403, 32, TRIAL_ODDS)
    assert evidence.of(item) == Suspicion(403, 32, TRIAL_ODDS)


def test_a_suspicion_is_not_forgotten_by_another() -> None:
    """What trials have shown of an event outlasts its next refusal alone."""
    evidence, item = Evidence(), make_item()
    evidence.suspect(item, 403)
    before = evidence.of(item)
    evidence.add(item, [403], 1)
    evidence.suspect(item, 413)

    assert before == Suspicion(403)
    assert evidence.of(item) == Suspicion(403, 1, 2)
    evidence.forget(item)
    evidence.forget(item)
    assert evidence.of(item) is None
    assert not evidence


# --- trials


@pytest.mark.parametrize(
    ("to_suspect", "to_control", "expected"),
    [
        ([PASSED], [PASSED], DELIVERED),
        ([NAMING], [], Outcome(Reason.REJECTED, "properties.time: refused", 400)),
        ([FORBIDDEN, PASSED], [PASSED], DELIVERED),
        ([], [PASSED], under_trial(None)),
        ([FORBIDDEN], [PASSED], under_trial(Suspicion(403, 1))),
        ([LOST, SETUP], [], waiting(LOST)),
        ([THROTTLED], [], waiting(THROTTLED)),
        ([FORBIDDEN, LOST], [PASSED], waiting(LOST)),
        ([], [LOST], waiting(LOST)),
        ([LOST], [THROTTLED], waiting(LOST)),
        *[
            (
                [FORBIDDEN],
                [verdict],
                waiting(verdict, f"refused alone; then another event did not pass either: {verdict.detail}"),
            )
            for verdict in (NAMING, FORBIDDEN, SETUP)
        ],
    ],
)
def test_a_trial_gives_its_suspect_an_outcome(
    to_suspect: list[Verdict], to_control: list[Verdict], expected: Outcome
) -> None:
    """Any answers to suspect and control give the suspect an outcome."""
    suspect, control = make_items(2)
    trial = Trial([suspect], control, 8, 11)
    for verdict in to_suspect:
        trial.answered(suspect, verdict)
    for verdict in to_control:
        trial.answered(control, verdict)

    trial.conclude(Evidence())

    assert suspect.outcome == expected


def test_a_trial_notes_what_it_has_seen_and_says_what_is_known() -> None:
    """Refusals and passes count by their number; an event that was not reached keeps its evidence."""
    refused, unreached, control = make_items(3)
    evidence = Evidence()
    evidence.add(unreached, [403] * 3, 2)
    trial = Trial([refused, unreached], control, 8, 11)
    for item, verdict in ((refused, FORBIDDEN), (control, PASSED), (control, PASSED)):
        trial.answered(item, verdict)

    trial.conclude(evidence)

    assert evidence.of(refused) == Suspicion(403, 1, 3)
    assert unreached.outcome == under_trial(Suspicion(403, 3))


@pytest.mark.parametrize(
    ("verdict", "is_needed"),
    [(PASSED, False), (NAMING, False), (LOST, False), (SETUP, False), (FORBIDDEN, True)],
)
def test_no_copy_is_sent_of_what_is_settled(verdict: Verdict, *, is_needed: bool) -> None:
    """Once it passed or was named, or the trial has ended, another copy says nothing."""
    first, second, control = make_items(3)
    trial = Trial([first, second], control, 8, 11)
    trial.answered(first, verdict)

    assert trial.needs(first) is is_needed
    assert trial.needs(second) is (verdict not in (LOST, SETUP))


@pytest.mark.parametrize("to_control", [[], [PASSED]])
def test_enough_is_only_enough_where_the_control_passed_now(to_control: list[Verdict]) -> None:
    """An event is not blamed while nothing passes, whatever the evidence."""
    suspect, control = make_items(2)
    evidence = Evidence()
    for _ in range(2):
        evidence.add(suspect, [403] * 8, 11)
    trial = Trial([suspect], control, 1, 1)
    for detail in ("first", "second", "last"):
        trial.answered(suspect, Verdict(Reaction.SPLIT, 403, detail))
    for verdict in to_control:
        trial.answered(control, verdict)

    trial.conclude(evidence)

    assert suspect.result.reason is (Reason.REJECTED if to_control else Reason.RETRY)
    assert not to_control or "last to this event alone" in suspect.result.detail


def test_a_control_that_is_refused_clears_all_and_forgets_none_that_passed() -> None:
    """Refusals that do not depend on the event are not evidence; what passed has passed."""
    refused, passed, other, control = make_items(4)
    evidence = Evidence()
    evidence.suspect(other, 403)
    trial = Trial([refused, passed], control, 8, 11)
    for item, verdict in ((refused, FORBIDDEN), (passed, PASSED), (control, FORBIDDEN)):
        trial.answered(item, verdict)

    trial.conclude(evidence)

    assert not evidence
    assert passed.outcome == DELIVERED
    assert refused.result.reason is Reason.SETUP


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_sixteen_suspects_share_a_control_at_most(count: int) -> None:
    """Each is in one trial; those of equal evidence keep their order."""
    suspects, control = make_items(count), make_item()

    found = list(trials(suspects, control, Evidence()))

    assert [item for trial in found for item in trial.suspects] == suspects
    assert all(len(trial.suspects) == 16 for trial in found[:-1])
    assert {trial.control for trial in found} == {control}


def test_the_most_suspicious_come_first() -> None:
    """They are in the order of the odds; an event without evidence comes after one that was refused once."""
    suspects = make_items(5)
    evidence = Evidence()
    evidence.suspect(suspects[4], 403)
    for refusals, item in zip((1, 3, 2), suspects[1:4], strict=True):
        evidence.add(item, [403] * refusals, 2)

    (trial,) = trials(suspects, make_item(), evidence)

    assert trial.suspects == [suspects[n] for n in (2, 3, 1, 4, 0)]


# --- splitting


def make_splitting() -> Splitting:
    """Return one with a fixed shuffle."""
    return Splitting(RequestSize(), random.Random(1))  # noqa: S311  (a test's draws)


@given(st.integers(2, 60), st.sets(st.integers(0, 70)))
def test_a_refused_request_is_sent_in_two_parts(count: int, named: set[int]) -> None:
    """The named apart from the others where there are both, or else two halves; no event is in both."""
    items = make_items(count)

    parts = make_splitting().split(
        Request(items), Verdict(Reaction.SPLIT, 400, "", dict.fromkeys(named, "")), may_send=True
    )

    first, second = (part.items for part in parts)
    expected = [item for index, item in enumerate(items) if index in named]
    assert all(part.is_part for part in parts)
    assert {*first, *second} == {*items}
    assert len(first) + len(second) == count
    if 0 < len(expected) < count:
        assert (first, second) == ([item for item in items if item not in expected], expected)
    else:
        assert len(first) == count // 2


def test_halves_are_drawn_by_lot() -> None:
    """Culprits that stand side by side are spread."""
    items = make_items(40)

    first, _ = make_splitting().split(Request(items), FORBIDDEN, may_send=True)

    assert [*first.items] not in (items[:20], items[20:])


@pytest.mark.parametrize(
    ("count", "verdict", "shrinks"),
    [(2, TOO_LARGE, True), (1, TOO_LARGE, False), (2, FORBIDDEN, False), (1, FORBIDDEN, False)],
)
def test_only_a_413_for_several_events_is_about_the_size(
    count: int, verdict: Verdict, *, shrinks: bool
) -> None:
    """An event that is alone is isolated, with the answer to it, and nothing of it is sent again."""
    splitting, request = make_splitting(), Request([make_item(300_000) for _ in range(count)])

    parts = splitting.split(request, verdict, may_send=True)

    whole = RequestSize().limit_bytes
    assert splitting.size.limit_bytes == (body_bytes(request.items) // 2 if shrinks else whole)
    assert splitting.isolated == ([(request.items[0], verdict)] if count == 1 else [])
    assert len(parts) == (0 if count == 1 else 2)


def test_nothing_is_split_where_nothing_may_be_sent() -> None:
    """It is kept until it may, and given up at the end."""
    splitting, request = make_splitting(), Request(make_items(2))

    assert splitting.split(request, FORBIDDEN, may_send=False) == []
    assert splitting.passed(Request(make_items(1), is_part=True), may_send=False) == []
    assert splitting.passed(Request(make_items(1)), may_send=True) == []
    assert splitting.unsplit == [(request, FORBIDDEN)]
    assert len(splitting.passed(Request(make_items(1), is_part=True), may_send=True)) == 2
    assert splitting.unsplit == []


def test_so_many_requests_bring_nothing_and_eight_more_are_earned_by_one_that_passes() -> None:
    """The smallest are split first; what is left waits, unless something passes."""
    splitting, large, parts = make_splitting(), Request(make_items(5_000)), 0
    for _ in range(EXTRA_REQUESTS):
        parts += len(splitting.split(Request(make_items(2)), FORBIDDEN, may_send=True))
    splitting.split(large, FORBIDDEN, may_send=True)
    earned = splitting.passed(Request(make_items(1), is_part=True), may_send=True)

    assert parts == EXTRA_REQUESTS
    assert [len(part.items) for part in earned] == [1] * 8
    assert [len(request.items) for request, _ in splitting.unsplit] == [
        5_000,
        *[2] * (EXTRA_REQUESTS // 2 - 4),
    ]
    assert all(len(a[0].items) >= len(b[0].items) for a, b in pairwise(splitting.unsplit))


def test_what_is_earned_adds_up() -> None:
    """Each part that passes brings eight requests more, whether they can be sent now or later."""
    splitting = make_splitting()
    for _ in range(3):
        splitting.passed(Request(make_items(1), is_part=True), may_send=False)

    sent = [splitting.split(Request(make_items(2)), FORBIDDEN, may_send=True) for _ in range(100)]

    assert sum(map(len, sent)) == EXTRA_REQUESTS + 3 * 8


@pytest.mark.parametrize(("has_passed", "reason"), [(True, Reason.RETRY), (False, Reason.SETUP)])
def test_what_was_not_split_is_given_up_with_its_answer(reason: Reason, *, has_passed: bool) -> None:
    """Each of its events waits, and says why."""
    splitting, request = make_splitting(), Request(make_items(2))
    splitting.split(request, FORBIDDEN, may_send=False)

    given_up = splitting.give_up(has_passed=has_passed)

    detail = f"said 403; the events at fault were not found in {EXTRA_REQUESTS} extra requests"
    assert given_up == [(request, FORBIDDEN)]
    assert {item.outcome for item in request.items} == {Outcome(reason, detail, 403)}
    assert splitting.give_up(has_passed=has_passed) == []
