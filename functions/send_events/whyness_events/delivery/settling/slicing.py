"""Pure: the dead letters of an invocation in slices, and the records for which there is not enough time."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from whyness_events.delivery.items import Item, RecordEvents
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.settling.dead_letter_writer import dead_letters_of

# Bounds the memory: a dead letter with its row takes some kilobytes, and a hostile one a megabyte.
_SLICE_DEAD_LETTERS = 500
_SLICE_BYTES = 4_000_000
# With at most this many dead letters, a record that runs out of time simply returns.
FEW_DEAD_LETTERS = 100


def slices(
    received: Iterable[RecordEvents], unsent: Collection[Item], now_ms: int
) -> Iterator[dict[Item, DeadLetter]]:
    """Yield the dead letters of unsent items, record by record, written only when their turn comes."""
    dead_letters: dict[Item, DeadLetter] = {}
    size_bytes = 0
    for record_events in received:
        for item, dead_letter in dead_letters_of(record_events, now_ms=now_ms):
            if item not in unsent:
                continue
            dead_letters[item] = dead_letter
            size_bytes += dead_letter.size_bytes
            if len(dead_letters) >= _SLICE_DEAD_LETTERS or size_bytes >= _SLICE_BYTES:
                yield dead_letters
                dead_letters, size_bytes = {}, 0
    if dead_letters:
        yield dead_letters


def dead_items(record_events: RecordEvents) -> set[Item]:
    """Return the items whose dead letters the record needs."""
    return {item.first or item for item in record_events.items if item.result.reason.is_dead}


def cut_off(received: Iterable[RecordEvents], unsent: set[Item]) -> Iterator[tuple[RecordEvents, set[Item]]]:
    """Yield the records whose many dead letters were sent only in part, with their dead items."""
    for record_events in received:
        dead = dead_items(record_events)
        if len(dead) > FEW_DEAD_LETTERS and not dead <= unsent and not dead.isdisjoint(unsent):
            yield record_events, dead


def kept_whole(record_events: RecordEvents, dead_count: int) -> RecordEvents:
    """Return the record as a single dead item, to be dead-lettered as received.

    Otherwise the next invocation would start again with its first dead letter, and get no further.
    """
    outcome = next(item.result for item in record_events.items if item.result.reason.is_dead)
    why = f"kept whole: there was no time to dead-letter its {dead_count} dead events one by one"
    # Mixpanel may have its other events.
    outcome = replace(outcome, detail=f"{why}; first: {outcome.detail}", may_count=True)
    return RecordEvents(record_events.record, [Item(record_events.record, 0, outcome=outcome)], whole=True)
