"""Edge: the Log table. Whatever happens to a row is a count, never a failure of the delivery."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from whyness_events.delivery.aws import LazyClient
from whyness_events.delivery.ports import Clock
from whyness_events.log_entry import LogEntry, LogKey

# Source: DynamoDB API reference, BatchWriteItem and BatchExecuteStatement, 2026-11-23.
_PUTS_PER_CALL = 25
_ROUNDS = 4
_BACKOFF_S = 0.1

# PartiQL, for BatchWriteItem takes no conditions.
_DELIVERED = 'SET "state" = ? SET "delivered_at" = ? WHERE "pk" = ? AND "sk" = ? AND "state" <> ?'

# A row that is not there, or is delivered already, fails the condition.
_NOTHING_TO_DO = "ConditionalCheckFailed"
_NOT_CONFIRMED = "NotConfirmed"

Puts = dict[tuple[str, str], dict[str, Any]]
LeftT = TypeVar("LeftT", Puts, list[LogKey])


class DynamoDbLog:
    """The Log port over DynamoDB.

    Args:
        table_name: of the Log table.
        dynamodb: a client of DynamoDB.
        clock: for the deadline and between the rounds for what DynamoDB did not process.
    """

    def __init__(self, table_name: str, dynamodb: LazyClient, clock: Clock) -> None:
        self._table_name = table_name
        self._dynamodb = dynamodb
        self._clock = clock

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Put the rows; see Log. Equal keys are one row: the last."""
        puts: Puts = {(e.key.pk, e.key.sk): _item(e) for e in entries}
        lost: set[tuple[str, str]] = set()
        keys = list(puts)
        for start in range(0, len(keys), _PUTS_PER_CALL):
            part = {key: puts[key] for key in keys[start : start + _PUTS_PER_CALL]}
            lost |= self._in_rounds(part, partial(self._write_call, deadline_s=deadline_s), deadline_s).keys()
        return [(e.key.pk, e.key.sk) not in lost for e in entries]

    def mark_delivered(self, keys: Sequence[LogKey], *, now_ms: int, deadline_s: float) -> int:
        """Update the rows; see Log. A row that is not there, or says so already, is no loss."""
        lost = 0
        for start in range(0, len(keys), _PUTS_PER_CALL):
            left = list(keys[start : start + _PUTS_PER_CALL])
            call = partial(self._mark_call, now_ms=now_ms, deadline_s=deadline_s)
            lost += len(self._in_rounds(left, call, deadline_s))
        return lost

    def _mark_call(self, keys: list[LogKey], *, now_ms: int, deadline_s: float) -> list[LogKey]:
        """Return the keys for which it is not known to be done."""
        left_s = deadline_s - self._clock.monotonic_s()
        statements = [self._mark(key, now_ms) for key in keys]
        answer = self._dynamodb.attempt("batch_execute_statement", left_s, Statements=statements)
        if answer is None:
            return keys
        left = {key: code for key, code in zip(keys, _codes(answer, len(keys)), strict=True) if code}
        self._dynamodb.refused_entries("batch_execute_statement", list(left.values()), answer)
        return list(left)

    def _mark(self, key: LogKey, now_ms: int) -> dict[str, Any]:
        statement = f'UPDATE "{self._table_name}" {_DELIVERED}'
        values = [{"S": "delivered"}, {"N": str(now_ms)}, {"S": key.pk}, {"S": key.sk}, {"S": "delivered"}]
        return {"Statement": statement, "Parameters": values}

    def _in_rounds(self, left: LeftT, call: Callable[[LeftT], LeftT], deadline_s: float) -> LeftT:
        """Call with what is left, after a pause each time, and return what is left in the end."""
        for round_ in range(_ROUNDS):
            if not left or self._clock.monotonic_s() >= deadline_s:
                break
            if round_:
                self._clock.sleep(_BACKOFF_S * 2**round_)
            left = call(left)
        return left

    def _write_call(self, puts: Puts, *, deadline_s: float) -> Puts:
        """Return what DynamoDB did not process."""
        requests = [{"PutRequest": {"Item": item}} for item in puts.values()]
        left_s = deadline_s - self._clock.monotonic_s()
        answer = self._dynamodb.attempt("batch_write_item", left_s, RequestItems={self._table_name: requests})
        if answer is None:
            return puts
        keys = self._unprocessed(answer)
        left = puts if keys is None else {key: item for key, item in puts.items() if key in keys}
        code = _NOT_CONFIRMED if keys is None else "Unprocessed"
        self._dynamodb.refused_entries("batch_write_item", [code] * len(left), answer)
        return left

    def _unprocessed(self, answer: Mapping[str, Any]) -> set[tuple[str, str]] | None:
        """Return the keys that DynamoDB names; None where the answer is none to a BatchWriteItem of ours."""
        try:
            requests = answer["UnprocessedItems"].get(self._table_name, [])
            items = [request["PutRequest"]["Item"] for request in requests]
            return {(item["pk"]["S"], item["sk"]["S"]) for item in items}
        except (KeyError, TypeError, AttributeError):
            return None


def _codes(answer: Mapping[str, Any], count: int) -> list[str]:
    """Return why each of `count` statements is not known to be done; `""` where it is."""
    responses = answer.get("Responses") or []
    if len(responses) != count or None in responses:
        return [_NOT_CONFIRMED] * count
    errors = [response.get("Error") for response in responses]
    codes = ["" if error is None else error.get("Code") or _NOT_CONFIRMED for error in errors]
    return ["" if code == _NOTHING_TO_DO else code for code in codes]


def _item(entry: LogEntry) -> dict[str, Any]:
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
        for name, value in entry.to_item().items()
    }
