"""The body of an import request, unpacked and decoded on demand."""

import json
import math
import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from .reply import NOT_JSON, Refused, too_large_error

HARD_LIMIT_BYTES = 64 * 1024 * 1024
"""The limit of unpacking, whatever the settings are, against compression bombs."""

_GZIP_WBITS = 31
_ARRAY = msgspec.json.Decoder(list[Any])
_LINE = msgspec.json.Decoder()
_RAW_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_COMPACT = (",", ":")


class Events(NamedTuple):
    """The decoded elements of a request, in order.

    Attributes:
        unclean_sizes_bytes: None if the whole body is UTF-8. Otherwise the elements have surrogates for
            invalid bytes, and these are their sizes as compact JSON.
    """

    elements: list[Any]
    unclean_sizes_bytes: list[int] | None = None

    @property
    def is_clean(self) -> bool:
        """Return whether the whole body is UTF-8."""
        return self.unclean_sizes_bytes is None


class ImportBody:
    """The body of a request. Reading it may raise `Refused` with Mixpanel's answer.

    Args:
        headers: names in lower case.
        raw: as received.
    """

    def __init__(self, headers: Mapping[str, str], raw: bytes) -> None:
        self._encoding = headers.get("content-encoding", "identity").lower()
        self._media_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        self.raw = raw

    @cached_property
    def plain(self) -> bytes:
        """Return the uncompressed bytes.

        Raises:
            Refused: 400 for an invalid or unknown encoding, 413 above the hard limit.
        """
        if self._encoding == "identity":
            return self.raw
        if self._encoding != "gzip":
            raise Refused(400, "content encoding must be gzip")
        try:
            return _gunzip(self.raw)
        except (zlib.error, EOFError) as error:
            raise Refused(400, "request body is not valid gzip") from error

    @cached_property
    def events(self) -> Events:
        """Return the decoded elements.

        Raises:
            Refused: 400 for a body that does not match its content type; and as `plain`.
        """
        if self._media_type not in {"application/json", "application/x-ndjson"}:
            raise Refused(400, "content type must be application/json or application/x-ndjson")
        try:
            return Events(self._decoded())
        except NOT_JSON:
            return self._decoded_with_surrogates()

    def sizes_bytes(self) -> list[int]:
        """Return the size of each element in the uncompressed body."""
        if self.events.unclean_sizes_bytes is not None:
            return self.events.unclean_sizes_bytes
        if self._is_lines:
            return [len(line.strip()) for line in self._lines]
        return [memoryview(raw).nbytes for raw in _RAW_ARRAY.decode(self.plain)]

    @property
    def _is_lines(self) -> bool:
        return self._media_type == "application/x-ndjson"

    @property
    def _lines(self) -> list[bytes]:
        return [line for line in self.plain.split(b"\n") if line.strip()]

    def _decoded(self) -> list[Any]:
        return list(map(_LINE.decode, self._lines)) if self._is_lines else _ARRAY.decode(self.plain)

    def _decoded_with_surrogates(self) -> Events:
        try:
            elements = list(map(_loads, self._lines)) if self._is_lines else _loads(self.plain)
            if not isinstance(elements, list):
                raise Refused(400, "request body must be a JSON array of events")
            sizes_bytes = [len(_dumped(element)) for element in elements]
        except (ValueError, RecursionError) as error:
            raise Refused(400, "request body is not valid JSON") from error
        return Events(elements, sizes_bytes)


def _gunzip(raw: bytes) -> bytes:
    pieces: list[bytes] = []
    left_bytes = HARD_LIMIT_BYTES
    while raw:
        member = zlib.decompressobj(wbits=_GZIP_WBITS)
        pieces.append(member.decompress(raw, left_bytes))
        left_bytes -= len(pieces[-1])
        if left_bytes <= 0:
            raise Refused(413, too_large_error(HARD_LIMIT_BYTES))
        if not member.eof:
            raise EOFError("gzip ends early")
        raw = member.unused_data
    if not pieces:
        raise EOFError("no gzip data")
    return b"".join(pieces)


def _loads(raw: bytes) -> Any:
    text = raw.decode("utf-8", "surrogateescape")
    return json.loads(text, parse_constant=_refuse_number, parse_float=_finite)


def _refuse_number(text: str) -> float:
    raise ValueError(f"not a JSON number: {text}")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _dumped(element: Any) -> bytes:
    return json.dumps(element, ensure_ascii=False, separators=_COMPACT).encode("utf-8", "surrogatepass")
