"""Events into import requests, at the exact byte; the laws for any input are in tests/property."""

from dataclasses import dataclass

import pytest

from whyness_events import limits
from whyness_events.delivery.sending.packing import REQUEST_BYTES, RequestLimits, body_bytes, pack


@dataclass(frozen=True)
class Sized:
    """An event of which only the bytes count."""

    encoded: bytes


def _sized(*sizes: int) -> list[Sized]:
    return [Sized(b"x" * size) for size in sizes]


def _sizes(requests: list[list[Sized]]) -> list[list[int]]:
    return [[len(item.encoded) for item in request] for request in requests]


@pytest.mark.parametrize("sizes", [(1,), (2, 3), (10, 1, 1), (0, 0)])
def test_size_of_a_body_counts_brackets_and_commas(sizes: tuple[int, ...]) -> None:
    """It is the length of the JSON array that is sent."""
    items = _sized(*sizes)

    assert body_bytes(items) == len(b"[" + b",".join(item.encoded for item in items) + b"]")


def test_body_may_have_exactly_the_limit() -> None:
    """One byte more is another request."""
    within = RequestLimits(body_bytes=12)  # [12345,12345] would be 13

    assert _sizes(pack([_sized(5, 4)], within)) == [[5, 4]]
    assert _sizes(pack([_sized(5, 5)], within)) == [[5], [5]]
    assert _sizes(pack([_sized(5), _sized(4)], within)) == [[5, 4]]
    assert _sizes(pack([_sized(5), _sized(5)], within)) == [[5], [5]]


def test_request_may_have_exactly_2000_events() -> None:
    """Mixpanel's limit, with the project's own for bytes."""
    within = RequestLimits()

    assert within == RequestLimits(events=2_000, body_bytes=9_500_000)
    assert [len(r) for r in pack([_sized(*[1] * 2_000)], within)] == [2_000]
    assert [len(r) for r in pack([_sized(*[1] * 2_001)], within)] == [2_000, 1]
    assert [len(r) for r in pack([_sized(*[1] * 1_999), _sized(1), _sized(1)], within)] == [2_000, 1]


def test_our_limits_are_within_mixpanels() -> None:
    """It is below 10 MB and 10 MiB, and one event of the largest size fits."""
    assert limits.EVENT_BYTES + len("[]") <= REQUEST_BYTES < limits.REQUEST_BYTES


def test_record_stays_together_where_it_fits() -> None:
    """Requests are split between records: a request that fails brings fewest records back."""
    within = RequestLimits(events=5)

    requests = pack([_sized(1, 1, 1), _sized(2, 2, 2), _sized(3, 3)], within)

    assert _sizes(requests) == [[1, 1, 1], [2, 2, 2, 3, 3]]


def test_record_that_fits_nowhere_is_split() -> None:
    """It fills what was begun, and its rest is shared with the next record."""
    within = RequestLimits(events=3)

    requests = pack([_sized(1), _sized(2, 2, 2, 2), _sized(3)], within)

    assert _sizes(requests) == [[1, 2, 2], [2, 2, 3]]


def test_event_above_the_limit_stands_alone() -> None:
    """It is sent, and Mixpanel decides; its neighbours are not held up by it."""
    within = RequestLimits(body_bytes=10)

    assert _sizes(pack([_sized(1, 50, 1)], within)) == [[1], [50], [1]]
    assert _sizes(pack([_sized(50)], within)) == [[50]]


@pytest.mark.parametrize("groups", [[], [[]], [[], []]])
def test_nothing_is_no_request(groups: list[list[Sized]]) -> None:
    """Mixpanel is not asked about nothing."""
    assert pack(groups, RequestLimits()) == []
