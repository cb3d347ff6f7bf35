"""Edge: the Log table. Whatever happens to a row is a count, never a failure of the delivery."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from whyness_events.delivery.aws import LazyClient
from whyness_events.delivery.ports import Clock, call_s
from whyness_events.log_entry import LogEntry, LogKey

# Source: DynamoDB API reference, BatchWriteItem and BatchExecuteStatement, 2026-11-23.
_PUTS_PER_CALL = 25
_ROUNDS = 4
_BACKOFF_S = 0.1

# PartiQL, for BatchWriteItem takes no conditions.
_DELIVERED = 'SET "state" = ? SET "delivered_at" = ? WHERE "pk" = ? AND "sk" = ? AND "state" <> ?'

# A row that is not there, or is delivered already, fails the condition.
_DONE = ("", "ConditionalCheckFailed")

Puts = dict[tuple[str, str], dict[str, Any]]
LeftT = TypeVar("LeftT", Puts, list[LogKey])


class DynamoDbLog:
    """The Log port over DynamoDB.

    Args:
        table_name: of the Log table.
        make_client: returns a DynamoDB client; called when the first row goes.
        clock: for the deadline and between the rounds for what DynamoDB did not process.
    """

    def __init__(self, table_name: str, make_client: Callable[[], Any], clock: Clock) -> None:
        self._table_name = table_name
        self._dynamodb = LazyClient(make_client)
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
        left_s = call_s(deadline_s - self._clock.monotonic_s())
        statements = [self._mark(key, now_ms) for key in keys]
        answer = self._dynamodb.attempt("batch_execute_statement", left_s, Statements=statements)
        responses = (answer or {}).get("Responses", [{"Error": {"Code": "none"}}] * len(keys))
        codes = [response.get("Error", {}).get("Code", "") for response in responses]
        return [key for key, code in zip(keys, codes, strict=True) if code not in _DONE]

    def _mark(self, key: LogKey, now_ms: int) -> dict[str, Any]:
        statement = f'UPDATE "{self._table_name}" {_DELIVERED}'
        values = [{"S": "delivered"}, {"N": str(now_ms)}, {"S": key.pk}, {"S": key.sk}, {"S": "delivered"}]
        return {"Statement": statement, "Parameters": values}

    def _in_rounds(self, left: LeftT, call: Callable[[LeftT], LeftT], deadline_s: float) -> LeftT:
        """Call with what is left, after a pause each time, and return what is left in the end."""
        for round_ in range(_ROUNDS):
            pause_s = _BACKOFF_S * 2**round_ if round_ else 0.0
            if not left or not call_s(deadline_s - self._clock.monotonic_s() - pause_s):
                break
            self._clock.sleep(pause_s)
            left = call(left)
        return left

    def _write_call(self, puts: Puts, *, deadline_s: float) -> Puts:
        """Return what DynamoDB did not process."""
        requests = [{"PutRequest": {"Item": item}} for item in puts.values()]
        left_s = call_s(deadline_s - self._clock.monotonic_s())
        answer = self._dynamodb.attempt("batch_write_item", left_s, RequestItems={self._table_name: requests})
        if answer is None:
            return puts
        left = [r["PutRequest"]["Item"] for r in answer.get("UnprocessedItems", {}).get(self._table_name, [])]
        keys = {(item["pk"]["S"], item["sk"]["S"]) for item in left}
        return {key: item for key, item in puts.items() if key in keys}


def _item(entry: LogEntry) -> dict[str, Any]:
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
        for name, value in entry.to_item().items()
    }
