"""Pure: a case of the probe, and the requests that it becomes in one run."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from whyness_ops.probe.probe_answers import named

EVENT = "Whyness probe"
MARK = "probe"
"""The property by which an event is found again, whatever Mixpanel made of its ids."""

ABSENT = object()
"""A property that is not sent, or not expected back."""


_ENCODINGS = {"gzip": "gzip", "broken gzip": "gzip", "deflate": "deflate"}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the probe.

    Attributes:
        run_id: eight hex digits, part of every id that is sent.
        started_ms: epoch milliseconds.
    """

    run_id: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """A time so many seconds after the start of the run, in milliseconds or in seconds."""

    by_s: int
    in_s: bool = False

    def at(self, run: Run) -> int:
        """Return it as it is sent."""
        time_ms = run.started_ms + self.by_s * 1_000
        return time_ms // 1_000 if self.in_s else time_ms


@dataclass(frozen=True, slots=True)
class Sent:
    """An event, by what makes it special.

    Attributes:
        changes: properties beside or instead of the usual ones; "{run}" in a text becomes the run's id.
        event: its name.
        stored: properties that are expected back otherwise than they were sent.
        stored_event: the same of its name.
        is_clamped: the arrival's time is expected back.
        is_dropped: it is confirmed, but not expected back.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    event: str = EVENT
    stored: Mapping[str, Any] = field(default_factory=dict)
    stored_event: str = ""
    is_clamped: bool = False
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A POST /import.

    Attributes:
        events: in their order.
        refused: the field that is expected to be named, by the index of the event.
        answer: what is expected instead of a count of events; then none is expected back.
        query: beside or instead of the usual; ABSENT leaves one out.
        form: of the body: see `body_of`.
        has_wrong_password: it is sent with a password that cannot be right.
    """

    events: tuple[Sent, ...]
    refused: Mapping[int, str] = field(default_factory=dict)
    answer: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    form: str = "array"
    has_wrong_password: bool = False

    @property
    def expected(self) -> str:
        """The answer that is expected, as `answers.summary` words one."""
        if self.answer:
            return self.answer
        imported = f"{len(self.events) - len(self.refused)} imported"
        return f"400, {imported}{named(self.refused.items())}" if self.refused else f"200, {imported}"

    @property
    def is_taken(self) -> bool:
        """Whether events of it are expected back."""
        return not self.answer or self.answer == "200, 1"


@dataclass(frozen=True, slots=True)
class Case:
    """One question to Mixpanel.

    Attributes:
        name: what it is about.
        source: of the expectation.
        requests: sent one after the other.
    """

    name: str
    source: str
    requests: tuple[Request, ...]


def taken(name: str, source: str, *events: Sent) -> Case:
    """Return a case whose events are all to be imported."""
    return Case(name, source, (Request(events),))


def refused(name: str, source: str, field: str, *events: Sent) -> Case:
    """Return a case whose events are all to be refused for this field."""
    return Case(name, source, (Request(events, dict.fromkeys(range(len(events)), field)),))


def mark_of(run: Run, case: Case, request: int, event: int) -> str:
    """Return what marks an event."""
    return f"{run.run_id}/{case.name}/{request}/{event}"


def events_of(run: Run, case: Case, at: int) -> list[dict[str, Any]]:
    """Return the events of a request of the case, complete."""
    return [
        {"event": sent.event, "properties": properties_of(run, sent, mark_of(run, case, at, index))}
        for index, sent in enumerate(case.requests[at].events)
    ]


def properties_of(run: Run, sent: Sent, mark: str) -> dict[str, Any]:
    """Return the properties of an event as they are sent."""
    insert_id = f"{run.run_id}-{sha1(mark.encode(), usedforsecurity=False).hexdigest()[:16]}"
    usual: dict[str, Any] = {
        "time": Ahead(-60),
        "distinct_id": "probe-{run}",
        "$insert_id": insert_id,
        MARK: mark,
    }
    found = {name: resolved(run, value) for name, value in {**usual, **sent.changes}.items()}
    return {name: value for name, value in found.items() if value is not ABSENT}


def resolved(run: Run, value: Any) -> Any:
    """Return a value with what only the run knows."""
    if isinstance(value, Ahead):
        return value.at(run)
    return value.replace("{run}", run.run_id) if isinstance(value, str) else value


def body_of(events: list[dict[str, Any]], form: str) -> tuple[bytes, dict[str, str]]:
    """Return the body of a request and the headers that describe it.

    Args:
        events: as they are sent.
        form: "array", "object" (the first alone), "lines", "gzip", "broken gzip" or "deflate".
    """
    if form == "lines":
        return b"\n".join(map(_json, events)), {"Content-Type": "application/x-ndjson"}
    body = _json(events[0] if form == "object" else events)
    headers = {"Content-Type": "application/json"}
    if form in _ENCODINGS:
        headers["Content-Encoding"] = _ENCODINGS[form]
    packed = gzip.compress(body) if headers.get("Content-Encoding") == "gzip" else body
    return packed[: len(packed) // 2] if form == "broken gzip" else packed, headers


def _json(value: object) -> bytes:
    """Return it as JSON; NaN and a byte that is not UTF-8 (a surrogate) are sent as they are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogateescape")
