"""What SQS demands of a SendMessageBatch. Source: its API reference, 2026-11-23."""

import hashlib
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.aws_stub.errors import AwsError

LIMIT_BYTES = 1_048_576
_MOST_ENTRIES = 10
_LONGEST_S = 43_200
_MOST_ATTRIBUTES = 10
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE_NAME = re.compile(r"(?!(?i:aws\.|amazon\.))[A-Za-z0-9_.-]{1,256}")
_TEXT = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def check_call(entries: Sequence[Mapping[str, Any]]) -> None:
    """Raise the AwsError by which SQS refuses a whole call."""
    ids = [entry["Id"] for entry in entries]
    if not entries:
        raise AwsError("EmptyBatchRequest")
    if len(entries) > _MOST_ENTRIES:
        raise AwsError("TooManyEntriesInBatchRequest")
    if not all(map(_ENTRY_ID.fullmatch, ids)):
        raise AwsError("InvalidBatchEntryId")
    if len(set(ids)) < len(ids):
        raise AwsError("BatchEntryIdsNotDistinct")
    if sum(map(size_bytes, entries)) > LIMIT_BYTES:
        raise AwsError("BatchRequestTooLong")


def check_entry_ids(entries: Sequence[Mapping[str, Any]]) -> None:
    """Raise the AwsError by which SQS refuses a batch of whatever kind."""
    if not 0 < len(entries) <= _MOST_ENTRIES:
        raise AwsError("TooManyEntriesInBatchRequest")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise AwsError("BatchEntryIdsNotDistinct")


def check_visibility(entries: Sequence[Mapping[str, Any]]) -> None:
    """Raise the AwsError by which SQS refuses a ChangeMessageVisibilityBatch."""
    check_entry_ids(entries)
    for entry in entries:
        if type(entry["VisibilityTimeout"]) is not int or not 0 <= entry["VisibilityTimeout"] <= _LONGEST_S:
            raise AwsError("InvalidParameterValue")


def digests(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests by which SQS says what it has stored.

    Source: its developer guide, "Calculating the MD5 message digest for message attributes", 2026-11-27.
    """
    found = {"MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode()).hexdigest()}  # noqa: S324
    packed = bytearray()
    for name in sorted(entry.get("MessageAttributes", {})):
        attribute = entry["MessageAttributes"][name]
        for text, type_ in ((name, b""), (attribute["DataType"], b"\x01"), (attribute["StringValue"], b"")):
            packed += struct.pack(">I", len(text.encode())) + text.encode() + type_
    return found | ({"MD5OfMessageAttributes": hashlib.md5(packed).hexdigest()} if packed else {})  # noqa: S324


def fault_of(entry: Mapping[str, Any]) -> str:
    """Return the code with which SQS lists an entry as `Failed`, `""` where it takes it."""
    attributes = entry.get("MessageAttributes", {})
    if not entry["MessageBody"]:
        return "MissingParameter"
    if not _is_text([entry["MessageBody"]]):
        return "InvalidMessageContents"
    well_named = all(map(_ATTRIBUTE_NAME.fullmatch, attributes))
    filled = all(a["DataType"] == "String" and a["StringValue"] for a in attributes.values())
    if len(attributes) > _MOST_ATTRIBUTES or not (well_named and filled):
        return "InvalidParameterValue"
    return "" if _is_text(a["StringValue"] for a in attributes.values()) else "InvalidMessageContents"


def size_bytes(entry: Mapping[str, Any]) -> int:
    """What SQS counts: the body, and name, type and value of each attribute."""
    texts = [entry["MessageBody"]]
    for name, attribute in entry.get("MessageAttributes", {}).items():
        texts += [name, attribute["DataType"], attribute["StringValue"]]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _is_text(texts: Iterable[str]) -> bool:
    return all(map(_TEXT.fullmatch, texts))
