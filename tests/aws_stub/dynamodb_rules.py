"""What DynamoDB demands of a BatchWriteItem of puts, and of our one PartiQL statement.

Source: its API reference, 2026-11-23.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.aws_stub.errors import AwsError

_MOST_PUTS = 25
MOST_STATEMENTS = 25
_STATEMENT = re.compile(
    r'UPDATE "(?P<table>[^"]+)" SET "(?P<first>\w+)" = \? SET "(?P<second>\w+)" = \?'
    r' WHERE "pk" = \? AND "sk" = \? AND "(?P<unequal>\w+)" <> \?(?: AND "(?P<equal>\w+)" = \?)?'
)
_ITEM_BYTES = 400 * 1024
_KEYS_BYTES = {"pk": 2_048, "sk": 1_024, "gsi1pk": 2_048, "gsi1sk": 1_024}
_NUMBER = re.compile(r"-?\d{1,38}")

Item = Mapping[str, Mapping[str, str]]


def check_batch(items: Sequence[Item]) -> None:
    """Raise the AwsError by which DynamoDB refuses the whole call."""
    if not 1 <= len(items) <= _MOST_PUTS:
        raise AwsError("ValidationException", "from 1 to 25 items")
    for item in items:
        _check_item(item)
    keys = [key_of(item) for item in items]
    if len(set(keys)) < len(keys):
        raise AwsError("ValidationException", "Provided list of item keys contains duplicates")


def update_unless_equal(
    rows: dict[tuple[str, str], dict[str, Any]],
    table: str,
    statement: Mapping[str, Any],
    leave_out: Callable[[Mapping[str, Any]], bool],
) -> dict[str, Any]:
    """Run an UPDATE of two attributes of a row by its key, with a condition; return its response."""
    found = _STATEMENT.fullmatch(statement["Statement"])
    if found is None or found["table"] != table:
        return {"Error": {"Code": "ValidationError"}}
    values = to_python({str(n): value for n, value in enumerate(statement["Parameters"])})
    first, second, pk, sk, unequal, *equal = values.values()
    if leave_out({"pk": {"S": pk}}):
        return {"Error": {"Code": "ThrottlingError"}, "TableName": table}
    row = rows.get((pk, sk))
    if (
        row is None
        or row.get(found["unequal"]) == unequal
        or any(row.get(found["equal"]) != v for v in equal)
    ):
        return {"Error": {"Code": "ConditionalCheckFailed"}, "TableName": table}
    row |= {found["first"]: first, found["second"]: second}
    return {"TableName": table}


def key_of(item: Item) -> tuple[str, str]:
    """Return partition and sort key."""
    return item["pk"]["S"], item["sk"]["S"]


def to_python(item: Item) -> dict[str, Any]:
    """Return the item as Python values."""
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def _check_item(item: Item) -> None:
    for name, value in item.items():
        _check_value(name, value)
    for name in ("pk", "sk"):
        if name not in item:
            raise AwsError("ValidationException", f"the key {name} is missing")
    if _size_bytes(item) > _ITEM_BYTES:
        raise AwsError("ValidationException", "Item size has exceeded the maximum allowed size")


def _check_value(name: str, value: Mapping[str, str]) -> None:
    [(kind, text)] = value.items()
    if kind not in ("S", "N") or not isinstance(text, str):
        raise AwsError("ValidationException", f"{name}: this table has strings and numbers only")
    if kind == "N" and not _NUMBER.fullmatch(text):
        raise AwsError("ValidationException", f"{name}: no number of at most 38 digits")
    longest = _KEYS_BYTES.get(name)
    if longest and (kind != "S" or not 1 <= len(text.encode()) <= longest):
        raise AwsError("ValidationException", f"{name}: a key is a string of 1 to {longest} bytes")


def _size_bytes(item: Item) -> int:
    return sum(len(name.encode()) + len(text.encode()) for name, v in item.items() for text in v.values())
