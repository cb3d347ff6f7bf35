"""Pure: the dead letters of an invocation, a few at a time, and what becomes of those that time cuts off."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from whyness_events.delivery.items import Item, Parcel
from whyness_events.delivery.ports import Letter
from whyness_events.delivery.settling.dead_letter_writer import each_letter

# In memory at once: a letter is some kilobytes with its row, and a hostile one a megabyte.
_SLICE_LETTERS = 500
_SLICE_BYTES = 4_000_000
# Up to here a record that time cut off simply comes again.
FEW_LETTERS = 100


def slices(parcels: Iterable[Parcel], unsent: Collection[Item], now_ms: int) -> Iterator[dict[Item, Letter]]:
    """Yield the letters of what is unsent, record by record, each written when it is its turn."""
    letters: dict[Item, Letter] = {}
    size_bytes = 0
    for parcel in parcels:
        for item, letter in each_letter(parcel, now_ms=now_ms):
            if item not in unsent:
                continue
            letters[item] = letter
            size_bytes += letter.size_bytes
            if len(letters) >= _SLICE_LETTERS or size_bytes >= _SLICE_BYTES:
                yield letters
                letters, size_bytes = {}, 0
    if letters:
        yield letters


def dead_items(parcel: Parcel) -> set[Item]:
    """Return the items whose letters the record needs."""
    return {item.first or item for item in parcel.items if item.result.reason.is_dead}


def cut_off(parcels: Iterable[Parcel], unsent: set[Item]) -> Iterator[tuple[Parcel, set[Item]]]:
    """Yield the large records of which some letters were sent and some were not, with their dead items."""
    for parcel in parcels:
        dead = dead_items(parcel)
        if len(dead) > FEW_LETTERS and not dead <= unsent and not dead.isdisjoint(unsent):
            yield parcel, dead


def kept_whole(parcel: Parcel, dead_count: int) -> Parcel:
    """Return the record as one dead letter, verbatim.

    The next invocation would begin with its first letter again, and come no further.
    """
    outcome = next(item.result for item in parcel.items if item.result.reason.is_dead)
    why = f"kept whole, for there was no time for a letter for each of its {dead_count} dead events"
    # Its other events may be at Mixpanel.
    outcome = replace(outcome, detail=f"{why}; first: {outcome.detail}", may_count=True)
    return Parcel(parcel.record, [Item(parcel.record, 0, outcome=outcome)], whole=True)
