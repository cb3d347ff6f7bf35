"""The events of a project, duplicates included, in about 200 bytes per event."""

from collections.abc import Callable, Iterator
from itertools import accumulate, compress

from isal import isal_zlib

from .ingest import StoredEvent

_CHUNK_BYTES = 1024 * 1024
_FAST = 1


class EventStore:
    """Stores events. A new event hides an earlier one with the same key. Not thread-safe."""

    def __init__(self) -> None:
        self._sealed: list[bytes] = []
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._newest: dict[bytes, int] = {}
        self._hidden = bytearray()
        self._hidden_count = 0

    @property
    def raw_count(self) -> int:
        """Return the number of events with duplicates."""
        return len(self._hidden)

    @property
    def unique_count(self) -> int:
        """Return the number of events that a query counts."""
        return len(self._hidden) - self._hidden_count

    def add(self, event: StoredEvent) -> None:
        """Store an event; a query shows only the newest one of a key."""
        if event.key is not None:
            older = self._newest.get(event.key)
            if older is not None:
                self._hidden[older] = 1
                self._hidden_count += 1
            self._newest[event.key] = len(self._hidden)
        self._hidden.append(0)
        self._open.append(event.line)
        self._open_bytes += len(event.line)
        if self._open_bytes >= _CHUNK_BYTES:
            self._seal()

    def remove(self, matches: Callable[[bytes], bool]) -> int:
        """Delete the events and duplicates that match, and return how many."""
        lines = [line for block in self.lines(raw=True) for line in block.splitlines()]
        stays = [not matches(line) for line in lines]
        places = list(accumulate(stays, initial=0))
        self._newest = {key: places[at] for key, at in self._newest.items() if stays[at]}
        self._hidden = bytearray(compress(self._hidden, stays))
        self._hidden_count = sum(self._hidden)
        self._sealed, self._open = [], list(compress(lines, stays))
        self._open_bytes = sum(map(len, self._open))
        return len(lines) - len(self._hidden)

    def lines(self, *, raw: bool = False) -> Iterator[bytes]:
        """Iterate over blocks of JSON lines, in order of arrival, without later events.

        Args:
            raw: include duplicates.
        """
        sealed, unsealed, hidden = self._sealed.copy(), self._open.copy(), bytes(self._hidden)
        return _lines(sealed, unsealed, bytes(len(hidden)) if raw else hidden)

    def _seal(self) -> None:
        self._sealed.append(isal_zlib.compress(b"\n".join(self._open), _FAST))
        self._open, self._open_bytes = [], 0


def _lines(sealed: list[bytes], unsealed: list[bytes], hidden: bytes) -> Iterator[bytes]:
    start = 0
    for chunk in (*sealed, None):
        lines = unsealed if chunk is None else isal_zlib.decompress(chunk).split(b"\n")
        shown = [line for at, line in enumerate(lines, start) if not hidden[at]]
        start += len(lines)
        if shown:
            yield b"\n".join(shown) + b"\n"
