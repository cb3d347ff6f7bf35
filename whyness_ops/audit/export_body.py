"""Pure: the body of an export, piece by piece, into whole lines; says whether it is complete.

Complete is a body that ends with gzip's trailer where it is compressed, and with a newline, that does not
say `terminated early`, and of which each line is an event. A record may come split over lines.
"""

import zlib
from collections.abc import Iterable, Iterator

from whyness_ops.audit.audited_event import is_event

_GZIP = 31
_TERMINATED = b"terminated early"
# An event is smaller than this: what is longer is no record in pieces.
_MOST_RECORD_BYTES = 4_000_000


class Incomplete(Exception):
    """The export of the day is not whole; `str()` says why, without any of its text."""


def whole_lines(body: Iterable[bytes], *, is_gzip: bool) -> Iterator[bytes]:
    """Yield each event's line, with its newline.

    Args:
        body: as received.
        is_gzip: whether it is compressed.

    Raises:
        Incomplete: it is not whole; what was yielded before must not be judged.
    """
    broken = b""
    for line in _lines(_decompressed(body) if is_gzip else body):
        text = line.strip()
        if text == _TERMINATED:
            raise Incomplete("it says `terminated early`")
        if not text:
            continue
        if not broken and is_event(text):
            yield text + b"\n"
            continue
        # The pieces are joined as they came: a split may fall between any two bytes.
        broken += line.removesuffix(b"\n").removesuffix(b"\r")
        if is_event(broken):
            yield broken.strip() + b"\n"
            broken = b""
        elif is_event(text) or len(broken) > _MOST_RECORD_BYTES:
            break
    if broken:
        raise Incomplete("a line of it is not an event")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, last = piece.split(b"\n")
        if whole:
            yield rest + whole[0] + b"\n"
            for line in whole[1:]:
                yield line + b"\n"
            rest = last
        else:
            rest += last
    if rest.strip() == _TERMINATED:
        yield rest
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
