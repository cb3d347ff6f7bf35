"""Edge: the Log table. A row that cannot be written is counted; it never fails a delivery."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.ports import Clock, call_s
from whyness_events.log_entry import REDRIVEN_AS, DeliveredRow, LogEntry, to_dynamodb
from whyness_events.outcomes import State

# Source: DynamoDB API reference, BatchWriteItem and BatchExecuteStatement, 2026-11-23.
_PUTS_PER_CALL = 25
_ROUNDS = 4
_BACKOFF_S = 0.1

# PartiQL, because BatchWriteItem takes no conditions.
_DELIVERED = 'SET "state" = ? SET "delivered_at" = ? WHERE "pk" = ? AND "sk" = ? AND "state" <> ?'
_IS_EDITED = f' AND "{REDRIVEN_AS}" = ?'

# The condition fails if the row does not exist, is delivered already, or belongs to another event.
_NOTHING_TO_DO = "ConditionalCheckFailed"
_NOT_CONFIRMED = "NotConfirmed"

Puts = dict[tuple[str, str], dict[str, Any]]
LeftT = TypeVar("LeftT", Puts, list[DeliveredRow])


class DynamoDbLog:
    """The Log port over DynamoDB.

    Args:
        table_name: of the Log table.
        dynamodb: a client of DynamoDB.
        clock: for the deadline, and for the pauses before unprocessed rows are sent again.
    """

    def __init__(self, table_name: str, dynamodb: LazyClient, clock: Clock) -> None:
        self._table_name = table_name
        self._dynamodb = dynamodb
        self._clock = clock

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Put the rows; see Log. Of entries with the same key the last one is written."""
        puts: Puts = {(e.key.pk, e.key.sk): to_dynamodb(e.to_item()) for e in entries}
        lost: set[tuple[str, str]] = set()
        keys = list(puts)
        for start in range(0, len(keys), _PUTS_PER_CALL):
            part = {key: puts[key] for key in keys[start : start + _PUTS_PER_CALL]}
            lost |= self._in_rounds(part, partial(self._write_call, deadline_s=deadline_s), deadline_s).keys()
        return [(e.key.pk, e.key.sk) not in lost for e in entries]

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:
        """Update the rows; see Log. A row that is gone, delivered already or another event's is not lost."""
        lost = 0
        for start in range(0, len(rows), _PUTS_PER_CALL):
            left = list(rows[start : start + _PUTS_PER_CALL])
            call = partial(self._mark_call, now_ms=now_ms, deadline_s=deadline_s)
            lost += len(self._in_rounds(left, call, deadline_s))
        return lost

    def _mark_call(self, rows: list[DeliveredRow], *, now_ms: int, deadline_s: float) -> list[DeliveredRow]:
        """Update the rows; return those that DynamoDB did not confirm."""
        left_s = call_s(deadline_s - self._clock.monotonic_s())
        statements = [self._mark(row, now_ms) for row in rows]
        answer = self._dynamodb.attempt("batch_execute_statement", left_s, Statements=statements)
        if answer is None:
            return rows
        left = {row: code for row, code in zip(rows, _codes(answer, len(rows)), strict=True) if code}
        self._dynamodb.refused_entries("batch_execute_statement", list(left.values()), answer)
        return list(left)

    def _mark(self, delivered: DeliveredRow, now_ms: int) -> dict[str, Any]:
        row, state = delivered.row, {"S": str(State.DELIVERED)}
        condition = _IS_EDITED if delivered.is_edited else ""
        values = [state, {"N": str(now_ms)}, {"S": row.pk}, {"S": row.sk}, state]
        values += [{"S": str(delivered.event)}] if delivered.is_edited else []
        statement = f'UPDATE "{self._table_name}" {_DELIVERED}{condition}'
        return {"Statement": statement, "Parameters": values}

    def _in_rounds(self, left: LeftT, call: Callable[[LeftT], LeftT], deadline_s: float) -> LeftT:
        """Call with what is left, up to four times with growing pauses; return what is left in the end."""
        for round_ in range(_ROUNDS):
            pause_s = _BACKOFF_S * 2**round_ if round_ else 0.0
            if not left or not call_s(deadline_s - self._clock.monotonic_s() - pause_s):
                break
            self._clock.sleep(pause_s)
            left = call(left)
        return left

    def _write_call(self, puts: Puts, *, deadline_s: float) -> Puts:
        """Put the rows; return those that DynamoDB did not process."""
        requests = [{"PutRequest": {"Item": item}} for item in puts.values()]
        left_s = call_s(deadline_s - self._clock.monotonic_s())
        answer = self._dynamodb.attempt("batch_write_item", left_s, RequestItems={self._table_name: requests})
        if answer is None:
            return puts
        keys = self._unprocessed(answer)
        left = puts if keys is None else {key: item for key, item in puts.items() if key in keys}
        code = _NOT_CONFIRMED if keys is None else "Unprocessed"
        self._dynamodb.refused_entries("batch_write_item", [code] * len(left), answer)
        return left

    def _unprocessed(self, answer: Mapping[str, Any]) -> set[tuple[str, str]] | None:
        """Return the keys that DynamoDB did not process; None if the answer does not fit the call."""
        try:
            requests = answer["UnprocessedItems"].get(self._table_name, [])
            items = [request["PutRequest"]["Item"] for request in requests]
            return {(item["pk"]["S"], item["sk"]["S"]) for item in items}
        except (KeyError, TypeError, AttributeError):
            return None


def _codes(answer: Mapping[str, Any], count: int) -> list[str]:
    """Return the error code of each of `count` statements; `""` for one that is done, or not needed."""
    responses = answer.get("Responses") or []
    if len(responses) != count or None in responses:
        return [_NOT_CONFIRMED] * count
    errors = [response.get("Error") for response in responses]
    codes = ["" if error is None else error.get("Code") or _NOT_CONFIRMED for error in errors]
    return ["" if code == _NOTHING_TO_DO else code for code in codes]
