"""When records that are handed back come again."""

import random

import pytest

from tests.fakes import FakeSourceQueue
from whyness_events.delivery.items import Record
from whyness_events.delivery.settling.exhaust import EXHAUST_AFTER_S, MAX_RECEIVE_COUNT, Patience
from whyness_events.delivery.settling.redelivery import BASE_S, CAP_S, HandedBack, Redelivery


class Fixed(random.Random):
    """Jitter of one value: 0 is the shortest pause, 1 the longest."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self._place = place

    def uniform(self, a: float, b: float) -> float:
        """Return a value between the two."""
        return a + (b - a) * self._place


def pause_s(receive_count: int, *, place: float = 0.5, wait_s: float = 0.0, soon: bool = False) -> int:
    """Return the pause of one record."""
    queue = FakeSourceQueue()
    handed_back = [HandedBack("handle", receive_count, wait_s, soon)]
    assert Redelivery(queue, Fixed(place)).delay(handed_back, deadline_s=1.0) == 0
    return queue.delays["handle"]


@pytest.mark.parametrize(
    ("receive_count", "expected_s"),
    [(1, 15), (2, 30), (3, 60), (4, 120), (6, 480), (7, 900), (8, 900), (1_000, 900)],
)
def test_pause_doubles_with_each_receive_up_to_fifteen_minutes(receive_count: int, expected_s: int) -> None:
    """Soon at first, for most trouble is short; never so late that recovery waits long."""
    assert pause_s(receive_count) == expected_s


def test_pause_is_jittered_by_a_fifth() -> None:
    """Records that failed together do not come again together."""
    assert (pause_s(1, place=0.0), pause_s(1, place=1.0)) == (12, 18)


def test_pause_is_no_shorter_than_mixpanel_asked_for() -> None:
    """A Retry-After that is too long for an invocation is waited for in the queue."""
    assert pause_s(1, wait_s=600.0, place=0.0) == 600
    assert pause_s(8, wait_s=600.0) == 900


@pytest.mark.parametrize(("receive_count", "expected_s"), [(1, 15), (8, 15), (39, 15), (40, 900), (900, 900)])
def test_what_is_under_trial_comes_back_soon_for_a_while(receive_count: int, expected_s: int) -> None:
    """Ten containers have met it often enough by then; 1,000 receives last for 72 hours all the same."""
    assert pause_s(receive_count, soon=True) == expected_s


def test_record_without_a_receipt_handle_keeps_the_queues_own_timeout() -> None:
    """It cannot be delayed, and is counted."""
    queue = FakeSourceQueue()

    lost = Redelivery(queue, Fixed(0.5)).delay([HandedBack("", 1), HandedBack("a", 1)], deadline_s=1.0)

    assert lost == 1
    assert set(queue.delays) == {"a"}


def test_what_the_queue_does_not_confirm_is_counted() -> None:
    """Those records come back after the queue's own visibility timeout."""
    handed_back = [HandedBack(str(number), 1) for number in range(5)]

    assert Redelivery(FakeSourceQueue(most=2), Fixed(0.5)).delay(handed_back, deadline_s=1.0) == 3


@pytest.mark.parametrize("soon", [False, True])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_72_hours_of_total_outage_exhaust_nothing(place: float, *, soon: bool) -> None:
    """However short the pauses fall, no record is given up before its time, by us or by SQS."""
    patience = Patience()
    receive_count, now_s = 1, 0.0

    while now_s < EXHAUST_AFTER_S:
        record = Record("message", "", receive_count, sent_ms=1)
        assert not patience.is_over(record, now_ms=int(now_s * 1000))
        assert not patience.is_long_over(record, now_ms=int(now_s * 1000))
        now_s += pause_s(receive_count, place=place, soon=soon)
        receive_count += 1

    assert receive_count < MAX_RECEIVE_COUNT / 2
    assert BASE_S < CAP_S < EXHAUST_AFTER_S
