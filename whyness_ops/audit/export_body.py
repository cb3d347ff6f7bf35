"""Pure: the body of an export, piece by piece, into whole lines; says whether it is complete.

Complete is a body that ends with gzip's trailer where it is compressed, and with a newline, that does not
say `terminated early`, and of which each line is an event. A record may come split over lines.
"""

import io
import zlib
from collections.abc import Iterable, Iterator

from whyness_ops.audit.audited_event import are_events, read_event

_GZIP = 31
_TERMINATED = b"terminated early"
_NO_EVENT = "a line of it is not an event"
# An event is smaller than this: what is longer is no record in pieces.
_MOST_RECORD_BYTES = 4_000_000


class Incomplete(Exception):
    """The export of the day is not whole; `str()` says why, without any of its text."""


def whole_lines(body: Iterable[bytes], *, is_gzip: bool) -> Iterator[bytes]:
    """Yield the events' lines, one or many at once, each with its newline.

    Args:
        body: as received.
        is_gzip: whether it is compressed.

    Raises:
        Incomplete: it is not whole; what was yielded before must not be judged.
    """
    records = _Records()
    for lines in _lines(_decompressed(body) if is_gzip else body):
        if not records.broken and are_events(lines):
            yield lines
        else:
            yield from filter(None, map(records.take, io.BytesIO(lines)))
    if records.broken:
        raise Incomplete(_NO_EVENT)


class _Records:
    """Joins records that come split over lines."""

    def __init__(self) -> None:
        self.broken = b""

    def take(self, line: bytes) -> bytes:
        """Return the line of the event that ends with this line; nothing where none does.

        Raises:
            Incomplete: the line can belong to none.
        """
        text = line.strip()
        if text == _TERMINATED:
            raise Incomplete("it says `terminated early`")
        if not text or (not self.broken and _is_event(text)):
            return text and text + b"\n"
        # The pieces are joined as they came: a split may fall between any two bytes.
        self.broken += line.removesuffix(b"\n").removesuffix(b"\r")
        if _is_event(self.broken):
            whole, self.broken = self.broken.strip(), b""
            return whole + b"\n"
        if _is_event(text) or len(self.broken) > _MOST_RECORD_BYTES:
            raise Incomplete(_NO_EVENT)
        return b""


def _is_event(text: bytes) -> bool:
    return read_event(text) is not None


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines, as many at once as came; at the end perhaps one without its newline."""
    rest = bytearray()
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if end:
            yield bytes(rest) + piece[:end]
            rest.clear()
        rest += piece[end:]
        if len(rest) > _MOST_RECORD_BYTES:
            raise Incomplete(_NO_EVENT)
    if rest.strip() == _TERMINATED:
        yield bytes(rest)
    elif rest:
        raise Incomplete("its last line has no end")


def _decompressed(body: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(_GZIP)
    has_begun = False
    for received in body:
        piece = received
        while piece:
            if stream.eof:  # gzip may come in several members
                stream = zlib.decompressobj(_GZIP)
            has_begun = True
            try:
                yield stream.decompress(piece)
            except zlib.error:
                raise Incomplete("it is not valid gzip") from None
            piece = stream.unused_data
    if not (has_begun and stream.eof):
        raise Incomplete("it is cut: the end of gzip is missing")
