"""The contents of the pages of delivery failures. Imported with the first one: it needs botocore."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from whyness_events.dead_letter import moment
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import FAILURE_REASONS
from whyness_mixpanel.admin import chart, log_filters, stack_reader
from whyness_mixpanel.admin.log_filters import PER_PAGE, LogFilters
from whyness_mixpanel.admin.redrive import redrive, seal, sent_keys, unseal
from whyness_ops import Snapshot

_MOMENTS = ("first_failed_at", "last_failed_at", "redriven_at", "delivered_at", "started_at", "finished_at")


def list_page(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the chart and the list, or the rows of one insert id."""
    question = LogFilters.read(given, today=datetime.now(UTC).date())
    insert_id = given.get("insert_id", "").strip()[:100]
    content: dict[str, Any] = {}
    fault = ""
    try:
        content = _look_up(insert_id) if insert_id else _list(question)
    except stack_reader.FAULTS as error:
        fault = str(error)
    return {
        "title": "Delivery failures",
        "asked": question,
        "insert_id": insert_id,
        "fault": fault,
        "periods": log_filters.PERIODS,
        "reasons": FAILURE_REASONS,
        "states": log_filters.STATES,
        **content,
    }


def row_page(given: Mapping[str, str]) -> dict[str, Any]:
    """Return all values of a row."""
    key = given.get("pk", ""), given.get("sk", "")
    rows: list[stack_reader.Row] = []
    fault = ""
    try:
        rows = [row for row in (stack_reader.read_row(key[0]) if key[0] else []) if row.get("sk") == key[1]]
    except stack_reader.FAULTS as error:
        fault = str(error)
    context = {"title": "Delivery failure", "row": _shown(rows[0]) if rows else None, "fault": fault}
    return {**context, "values": _values(rows[0]) if rows else []}


def redrive_page(given: QueryDict, *, who: str) -> tuple[str, dict[str, Any]]:
    """Send a part of the selected dead letters again if this was confirmed; return a page and its context."""
    chosen = given.getlist("key")[: 2 * PER_PAGE]
    keys = sorted({text for text in chosen if LogKey.parse(text)})
    context: dict[str, Any] = {"keys": keys, "title": "Send again"}
    state = given.get("state", "")
    snapshot = unseal(state) if state else Snapshot()
    if not (keys and "confirmed" in given) or snapshot is None:
        return "confirm", context
    try:
        report = redrive(keys, who=who, snapshot=snapshot)
        context |= {"report": report, "goes_on": report.stopped and report.sent > 0}
    except stack_reader.FAULTS as error:
        context["fault"] = str(error)
    context |= {"sent": len(sent_keys(snapshot, keys)), "state": seal(snapshot, keys)}
    return "progress", context


def _list(question: LogFilters) -> dict[str, Any]:
    read, is_cut = stack_reader.read_rows(question.days, question.reasons)
    rows = [row for row in read if question.matches(row)]
    page_count = max(1, -(-len(rows) // PER_PAGE))
    page = min(question.page, page_count)
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    return {
        "chart": chart.draw(rows, question.days),
        "is_cut": is_cut,
        "rows": [_shown(row) for row in shown],
        "total": len(rows),
        "page": page,
        "page_count": page_count,
        "newer": question.query(p=page - 1) if page > 1 else "",
        "older": question.query(p=page + 1) if page < page_count else "",
    }


def _look_up(insert_id: str) -> dict[str, Any]:
    rows = stack_reader.read_row(insert_id)
    return {"rows": [_shown(row) for row in rows], "total": len(rows), "page": 1, "page_count": 1}


def _shown(row: stack_reader.Row) -> dict[str, Any]:
    """Return a row with the values that templates need."""
    at = str(row.get("gsi1sk", "")).partition("#")[0]
    extra = {
        "key": log_filters.row_key(row),
        "at": at[:19].replace("T", " "),
        "can_redrive": log_filters.has_dead_letter(row),
    }
    return {**row, **extra}


def _values(row: stack_reader.Row) -> Sequence[tuple[str, object]]:
    """Return a row's attributes by name, with readable times."""
    hidden = {"gsi1pk", "gsi1sk"}
    return [
        (name, _readable(name, value))
        for name, value in sorted(row.items(), key=lambda item: item[0])
        if name not in hidden
    ]


def _readable(name: str, value: object) -> object:
    if name in _MOMENTS and isinstance(value, int):
        return moment(value) or value
    if name == "expires_at" and isinstance(value, int):
        return moment(value * 1000) or value
    return value
