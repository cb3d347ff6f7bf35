"""Batches in which some entries fail: what is forwarded, and what the caller is answered. Pure.

Source: SQS API reference, BatchResultErrorEntry; DynamoDB API reference, BatchWriteItem; 2026-11-23.
"""

from collections.abc import Mapping
from typing import Any

Payload = Mapping[str, Any]


def entry_count(operation: str, payload: Payload) -> int:
    """Return the number of entries of a batch; 0 for another operation."""
    if operation == "BatchWriteItem":
        return sum(len(requests) for requests in payload["RequestItems"].values())
    entries = payload.get("Entries", ())
    return len(entries)


def without(operation: str, payload: Payload, failing: frozenset[int]) -> dict[str, Any] | None:
    """Return the payload without the entries at these positions; None if it is then empty."""
    if operation != "BatchWriteItem":
        kept = [entry for at, entry in enumerate(payload["Entries"]) if at not in failing]
        return {**payload, "Entries": kept} if kept else None
    tables = _divided(payload, failing)[0]
    return {**payload, "RequestItems": tables} if tables else None


def answered(operation: str, payload: Payload, failing: frozenset[int], answer: Payload) -> dict[str, Any]:
    """Return the answer for all entries, from the answer to those that were forwarded."""
    if operation == "BatchWriteItem":
        unprocessed = dict(answer.get("UnprocessedItems", {}))
        for table, requests in _divided(payload, failing)[1].items():
            unprocessed[table] = [*unprocessed.get(table, []), *requests]
        return {**answer, "UnprocessedItems": unprocessed}
    failed = [
        {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError", "Message": "scripted"}
        for at, entry in enumerate(payload["Entries"])
        if at in failing
    ]
    return {"Successful": [], **answer, "Failed": [*answer.get("Failed", []), *failed]}


def _divided(payload: Payload, failing: frozenset[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the requests by table: those to forward, and those that fail."""
    kept: dict[str, Any] = {}
    failed: dict[str, Any] = {}
    position = 0
    for table, requests in payload["RequestItems"].items():
        for request in requests:
            (failed if position in failing else kept).setdefault(table, []).append(request)
            position += 1
    return kept, failed
