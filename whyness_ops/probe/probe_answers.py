"""Pure: an answer of /import in the few words in which two answers are compared."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

_MOST_NAMED = 5
_MOST_INDICES = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: 0 = there was no answer.
        body: of the answer.
        trouble: why there was none.
    """

    status: int
    body: bytes = b""
    trouble: str = ""


def summary(answer: Answer) -> str:
    """Return status, count and named fields; wording is left out, as Mixpanel publishes no list of it."""
    if not answer.status:
        return f"no answer ({answer.trouble})"
    found = _decoded(answer.body)
    if isinstance(found, bool) or found in (0, 1):
        return f"{answer.status}, {int(found)}"
    count = found.get("num_records_imported") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(count, int):
        return str(answer.status)
    failed = found.get("failed_records")
    records = map(_pair, failed) if isinstance(failed, list) else ()
    return f"{answer.status}, {count} imported{named(records)}"


def named(records: Iterable[tuple[object, str]]) -> str:
    """Return refused events by index and field; neighbours of one field in one."""
    groups = []
    for field, some in groupby(records, key=lambda record: record[1]):
        groups.append(f"{_span([index for index, _ in some])} {field}")
    more_groups = [f"{len(groups) - _MOST_NAMED} more"] if len(groups) > _MOST_NAMED else []
    return f", refused {'; '.join([*groups[:_MOST_NAMED], *more_groups])}" if groups else ""


def message(answer: Answer) -> str:
    """Return Mixpanel's own words on the first refused event or the request; "" if there are none."""
    found = _decoded(answer.body)
    if not isinstance(found, dict):
        return ""
    failed = found.get("failed_records")
    first = failed[0] if isinstance(failed, list) and failed else None
    said = first.get("message") if isinstance(first, Mapping) else first or found.get("error")
    return str(said or "")


def _span(indices: list[object]) -> str:
    first, last = indices[0], indices[-1]
    is_unbroken = isinstance(first, int) and indices == list(range(first, first + len(indices)))
    if is_unbroken and len(indices) > 1:
        return f"{first} to {last}"
    return ", ".join(map(str, indices[:_MOST_INDICES])) + (", …" if len(indices) > _MOST_INDICES else "")


def _pair(record: object) -> tuple[object, str]:
    if not isinstance(record, dict):
        return "the", "request"
    return record.get("index"), str(record.get("field"))


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
