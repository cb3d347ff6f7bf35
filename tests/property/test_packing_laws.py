"""Packing loses, repeats and reorders nothing, and meets each limit at the exact byte."""

import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from whyness_events import limits, sqs_batch
from whyness_events.delivery.sending.packing import RequestLimits, body_bytes, pack


@dataclass(frozen=True, eq=False)
class Sized:
    """An event of which only the bytes count; no two are equal."""

    encoded: bytes


_events = st.integers(0, 30).map(lambda size: Sized(b"x" * size))
_groups = st.lists(st.lists(_events, max_size=8), max_size=12)
_limits = st.builds(RequestLimits, events=st.integers(1, 8), body_bytes=st.integers(2, 60))


def _sent_bytes(items: list[Sized]) -> int:
    return len(b"[" + b",".join(item.encoded for item in items) + b"]")


@given(_groups, _limits)
def test_every_event_is_in_exactly_one_request_and_in_order(
    groups: list[list[Sized]], within: RequestLimits
) -> None:
    """The requests, one after the other, are the records, one after the other."""
    requests = pack(groups, within)

    assert [*itertools.chain(*requests)] == [*itertools.chain(*groups)]
    assert all(requests)


@given(_groups, _limits)
def test_no_request_is_above_a_limit_or_below_it_without_need(
    groups: list[list[Sized]], within: RequestLimits
) -> None:
    """Only an event that is too large by itself goes over; and no two neighbours would have fitted in one."""
    requests = pack(groups, within)

    for request in requests:
        assert body_bytes(request) == _sent_bytes(request)
        assert len(request) <= within.events
        assert _sent_bytes(request) <= within.body_bytes or len(request) == 1
    for request, following in itertools.pairwise(requests):
        assert (
            len(request) + len(following) > within.events
            or _sent_bytes([*request, *following]) > within.body_bytes
        )


@given(_groups, _limits)
def test_record_that_fits_into_a_request_is_in_one(groups: list[list[Sized]], within: RequestLimits) -> None:
    """A request that fails then brings no more records back than it must."""
    requests = pack(groups, within)

    for group in groups:
        if group and len(group) <= within.events and _sent_bytes(group) <= within.body_bytes:
            assert any(set(group) <= set(request) for request in requests)


@given(
    st.lists(st.integers(1, limits.BATCH_BYTES + 9) | st.integers(1, 200_000), max_size=25),
    st.integers(1, limits.BATCH_ENTRIES),
    st.sampled_from([limits.BATCH_BYTES, 100_000]),
)
def test_calls_to_sqs_keep_both_limits(sizes: list[int], most_entries: int, most_bytes: int) -> None:
    """All items in order; only one that is too large by itself exceeds a limit; no call is needless."""
    calls = [*sqs_batch.in_calls(sizes, int, most_entries=most_entries, most_bytes=most_bytes)]

    assert [*itertools.chain(*calls)] == sizes
    for call in calls:
        assert 0 < len(call) <= most_entries
        assert sum(call) <= most_bytes or len(call) == 1
    for call, following in itertools.pairwise(calls):
        assert len(call) == most_entries or sum(call) + following[0] > most_bytes
