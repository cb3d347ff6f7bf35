"""Packing loses, repeats and reorders nothing, and meets each limit at the exact byte."""

import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from whyness_events import limits
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.sending.packing import RequestLimits, body_bytes, pack
from whyness_events.delivery.settling.dead_letter_writer import pack_entries
from whyness_events.log_entry import LogKey


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


@given(st.lists(st.integers(1, limits.MESSAGE_BYTES) | st.integers(1, 200_000), max_size=25))
def test_dead_letters_are_packed_within_what_sqs_takes(sizes: list[int]) -> None:
    """All of them, in order, at most ten and a mebibyte a call, and no call is needless."""
    dead_letters = [_SizedDeadLetter(size) for size in sizes]

    calls = pack_entries(dead_letters)

    assert [dead_letter for call in calls for dead_letter in call] == dead_letters
    for call in calls:
        assert 0 < len(call) <= limits.BATCH_ENTRIES
        assert sum(dead_letter.size_bytes for dead_letter in call) <= limits.BATCH_BYTES
    for call, following in itertools.pairwise(calls):
        together = sum(dead_letter.size_bytes for dead_letter in call) + following[0].size_bytes
        assert len(call) == limits.BATCH_ENTRIES or together > limits.BATCH_BYTES


class _SizedDeadLetter(DeadLetter):
    """A dead letter of which only the size counts: megabytes of text would only cost time."""

    __slots__ = ("_size_bytes",)

    def __init__(self, size_bytes: int) -> None:
        super().__init__("", {}, LogKey("", ""))
        object.__setattr__(self, "_size_bytes", size_bytes)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes  # type: ignore[attr-defined, no-any-return]  # set above, on a frozen class
