"""Requests at once, and the pauses an invocation may afford."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_events.delivery.sending.pacing import PAUSES_S, Concurrency, Pauses
from whyness_events.outcomes import Reason


def test_it_begins_with_all_and_halves_down_to_one() -> None:
    """Each round with trouble halves it, down to one request."""
    concurrency = Concurrency(8)
    limits = [concurrency.limit]

    for second in range(5):
        concurrency.back_off(started_s=second, now_s=second)
        limits.append(concurrency.limit)

    assert limits == [8, 4, 2, 1, 1, 1]


def test_requests_begun_before_the_last_time_tell_nothing_new() -> None:
    """Four 429s of one round are one sign."""
    concurrency = Concurrency(8)

    for _ in range(4):
        concurrency.back_off(started_s=0.0, now_s=1.0)

    assert concurrency.limit == 4


def test_a_request_begun_when_it_backed_off_tells_something_new() -> None:
    """It knew of the new limit, and is answered with trouble all the same."""
    concurrency = Concurrency(8)

    for started_s in (0.0, 1.0):
        concurrency.back_off(started_s=started_s, now_s=1.0)

    assert concurrency.limit == 2


def test_a_round_that_passes_adds_one() -> None:
    """One round of requests that pass raises the limit by about one."""
    concurrency = Concurrency(8)
    concurrency.back_off(started_s=0.0, now_s=1.0)

    for _ in range(5):
        concurrency.passed()

    assert concurrency.limit == 5


@given(st.lists(st.booleans(), max_size=200))
def test_it_stays_between_one_and_most(signs: list[bool]) -> None:
    """Any sequence of answers keeps the limit in this range."""
    concurrency = Concurrency(5)

    for moment, passes in enumerate(signs):
        if passes:
            concurrency.passed()
        else:
            concurrency.back_off(started_s=moment, now_s=moment)
        assert 1 <= concurrency.limit <= 5


@pytest.mark.parametrize(
    ("spent", "other"), [(Reason.RETRY, Reason.THROTTLED), (Reason.THROTTLED, Reason.RETRY)]
)
def test_each_trouble_has_its_own_budget(spent: Reason, other: Reason) -> None:
    """A burst of one leaves the other's pauses whole."""
    pauses = Pauses()

    assert pauses.grant(spent, now_s=0.0, pause_s=PAUSES_S[spent])
    assert not pauses.grant(spent, now_s=PAUSES_S[spent], pause_s=0.1)
    assert pauses.grant(other, now_s=0.0, pause_s=PAUSES_S[other])


def test_pauses_side_by_side_are_spent_once() -> None:
    """Four requests that wait for the same five seconds sleep five seconds."""
    pauses = Pauses()

    assert all(pauses.grant(Reason.RETRY, now_s=0.0, pause_s=5.0) for _ in range(4))
    assert pauses.grant(Reason.RETRY, now_s=5.0, pause_s=10.0)


@given(st.lists(st.tuples(st.sampled_from(sorted(PAUSES_S)), st.floats(0, 20), st.floats(0, 20))))
def test_thirty_seconds_in_all(asked: list[tuple[Reason, float, float]]) -> None:
    """The union of all granted pauses is never longer."""
    pauses, now_s, granted = Pauses(), 0.0, list[tuple[float, float]]()

    for reason, passes_s, pause_s in asked:
        now_s += passes_s
        if pauses.grant(reason, now_s=now_s, pause_s=pause_s):
            granted.append((now_s, now_s + pause_s))

    assert _union_s(granted) <= sum(PAUSES_S.values()) + 1e-6


def _union_s(spans: list[tuple[float, float]]) -> float:
    total_s, end_s = 0.0, float("-inf")
    for begin_s, until_s in sorted(spans):
        total_s += max(0.0, until_s - max(begin_s, end_s))
        end_s = max(end_s, until_s)
    return total_s
