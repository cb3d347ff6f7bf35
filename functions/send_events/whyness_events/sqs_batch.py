"""Pure: the batches of SQS: what fits into one, and what its answer says.

Entries get ids that no other call has, and an answer counts for what it refers to.

On a connection that is kept open, the answer that arrives may be another call's: late, repeated, or unasked
for. With the same ids in every call (`0`, `1`, ...) it would confirm entries that are not stored.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from whyness_events import limits

T = TypeVar("T")
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The entries of a call that its answer confirms or refuses, by their index.

    Nothing is known about an entry that is neither confirmed nor refused.

    Args:
        confirmed: from the answer's `Successful`.
        refused: from the answer's `Failed`.
    """

    confirmed: Mapping[int, Entry]
    refused: Mapping[int, Entry]

    def code(self, index: int) -> str:
        """Return the error code of a refused entry, `""` for any other."""
        return str(self.refused.get(index, {}).get("Code") or "")


def in_calls(
    items: Iterable[T],
    size_bytes: Callable[[T], int] = lambda _: 0,
    *,
    most_entries: int = limits.BATCH_ENTRIES,
    most_bytes: int = limits.BATCH_BYTES,
) -> Iterator[list[T]]:
    """Yield the items in order, as few lists as hold them: each is one call to SQS.

    An item that is larger than `most_bytes` is alone in its list.

    Args:
        items: what is sent.
        size_bytes: returns the size of an item, its attributes included; 0 for what is as small as a handle.
        most_entries: at most this many items a call.
        most_bytes: at most this many bytes a call.
    """
    call: list[T] = []
    call_bytes = 0
    for item in items:
        item_bytes = size_bytes(item)
        if call and (len(call) == most_entries or call_bytes + item_bytes > most_bytes):
            yield call
            call, call_bytes = [], 0
        call.append(item)
        call_bytes += item_bytes
    if call:
        yield call


def numbered(entries: Sequence[Entry]) -> list[Any]:
    """Return the entries of one call, each with an id that is unique across calls and processes."""
    call = secrets.token_hex(16)
    return [{"Id": f"{call}-{index}", **entry} for index, entry in enumerate(entries)]


def read(answer: Mapping[str, Any] | None, entries: Sequence[Entry]) -> Answered:
    """Return what `answer` says about numbered `entries`.

    An entry is confirmed if its id is in `Successful` only and, for a message, if the digests there are those
    of what was sent. An id that is in both lists is neither confirmed nor refused.

    Args:
        answer: as boto3 returns it; None if the call failed.
        entries: of the call, as `numbered` returned them.
    """
    taken, failed = _by_id(answer, "Successful"), _by_id(answer, "Failed")
    ids = {entry["Id"]: index for index, entry in enumerate(entries)}
    return Answered(
        confirmed={
            ids[id_]: taken[id_]
            for id_ in ids.keys() & taken.keys() - failed.keys()
            if _is_stored(entries[ids[id_]], taken[id_])
        },
        refused={ids[id_]: failed[id_] for id_ in ids.keys() & failed.keys() - taken.keys()},
    )


def body_digest(body: str) -> str:
    """Return what SQS calls `MD5OfMessageBody`."""
    # SQS does not store lone surrogates, so their digest does not matter.
    return _md5(body.encode(errors="surrogatepass"))


def attributes_digest(attributes: Mapping[str, Mapping[str, str]]) -> str:
    """Return what SQS calls `MD5OfMessageAttributes`, for text attributes; `""` if there are none.

    Source: SQS developer guide, "Calculating the MD5 message digest for message attributes", 2026-11-26.
    """
    text_type = b"\x01"
    packed = b"".join(
        _sized(name) + _sized(value["DataType"]) + text_type + _sized(value["StringValue"])
        for name, value in sorted(attributes.items())
    )
    return _md5(packed) if packed else ""


def _by_id(answer: Mapping[str, Any] | None, name: str) -> dict[str, Entry]:
    listed = (answer or {}).get(name)
    entries = listed if isinstance(listed, list) else []
    return {e["Id"]: e for e in entries if isinstance(e, Mapping) and isinstance(e.get("Id"), str)}


def _is_stored(entry: Entry, taken: Entry) -> bool:
    if "MessageBody" not in entry:
        return True
    digests = taken.get("MD5OfMessageBody"), taken.get("MD5OfMessageAttributes") or ""
    return digests == (
        body_digest(entry["MessageBody"]),
        attributes_digest(entry.get("MessageAttributes", {})),
    )


def _sized(text: str) -> bytes:
    encoded = text.encode(errors="surrogatepass")
    return len(encoded).to_bytes(4, "big") + encoded


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
