"""POST /import: answer a request as Mixpanel does, and store the valid events."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .api_request import ApiRequest
from .body import Events, ImportBody
from .ingest import ingested
from .rate_limit import WINDOW_S, RollingMinute
from .reply import (
    CREDENTIALS_ERROR,
    IDENTITY_ERROR,
    RATE_ERROR,
    Refused,
    Reply,
    imported,
    json_reply,
    partly_imported,
    too_large_error,
)
from .rules import Problem, find_problem, find_text_problem, is_ignored
from .settings import Project, Settings
from .store import EventStore

IDENTITY_VERBS = frozenset({"$identify", "$create_alias", "$merge"})


@dataclass(slots=True)
class ProjectState:
    """The state of a project."""

    store: EventStore = field(default_factory=EventStore)
    minute: RollingMinute = field(default_factory=RollingMinute)
    ignored_count: int = 0
    rejected_count: int = 0


def import_events(
    request: ApiRequest, *, settings: Settings, states: Mapping[str, ProjectState], now_s: float
) -> Reply:
    """Answer a request as Mixpanel does.

    Args:
        request: as received.
        settings: the current ones.
        states: by project; updated by the import.
        now_s: time of arrival, in epoch seconds.
    """
    try:
        project = authorised_project(request.headers, request.query, settings)
        state = states[project.project_id]
        events = _admitted(request.body, settings, state, now_s)
        failures, imported_count = _take(request, events, settings, state, round(now_s * 1_000))
    except Refused as refusal:
        return refusal.reply(strict=request.strict)
    if not request.strict:
        return _lenient_reply(request.query, failures, imported_count)
    if failures:
        return partly_imported(imported_count, failures)
    return imported(imported_count)


def authorised_project(headers: Mapping[str, str], query: Mapping[str, str], settings: Settings) -> Project:
    """Return the project of the credentials.

    Raises:
        Refused: 401, or for a wrong project id the status in the settings.
    """
    user, password = _basic_credential(headers)
    project_id = query.get("project_id", "")
    if not password:
        project = settings.project_of_token(user)
        if project is None or project_id not in {"", project.project_id}:
            raise Refused(401, CREDENTIALS_ERROR)
    elif (user, password) != (settings.account, settings.password) or not project_id:
        raise Refused(401, CREDENTIALS_ERROR)
    else:
        project = settings.project(project_id)
    if project is None:
        status = settings.unknown_project_status
        raise Refused(status, CREDENTIALS_ERROR if status == 401 else "invalid project")  # noqa: PLR2004  HTTP
    if project.region != settings.region:
        raise Refused(401, CREDENTIALS_ERROR)
    return project


def authorised_account(headers: Mapping[str, str], query: Mapping[str, str], settings: Settings) -> Project:
    """Return the project of the service account, which alone may query; errors as `authorised_project`."""
    projects = tuple(replace(project, token="") for project in settings.projects)
    return authorised_project(headers, query, replace(settings, projects=projects))


def _basic_credential(headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused(401, CREDENTIALS_ERROR) from error
    if scheme.lower() != "basic" or not colon:
        raise Refused(401, CREDENTIALS_ERROR)
    return user, password


def _admitted(body: ImportBody, settings: Settings, state: ProjectState, now_s: float) -> Events:
    size_bytes = len(body.plain)
    if size_bytes > settings.max_body_bytes:
        raise Refused(413, too_large_error(settings.max_body_bytes))
    events = body.events
    count = len(events.elements)
    if not 0 < count <= settings.max_events:
        raise Refused(400, f"request must have from 1 to {settings.max_events} events")
    has_room = state.minute.take(
        now_s,
        events=count,
        size_bytes=size_bytes,
        events_limit=settings.events_per_s * int(WINDOW_S),
        bytes_limit=settings.bytes_per_minute,
    )
    if not has_room:
        headers = {"Retry-After": str(settings.retry_after_s)} if settings.retry_after_s else None
        raise Refused(429, RATE_ERROR, headers)
    return events


def _take(
    request: ApiRequest, events: Events, settings: Settings, state: ProjectState, now_ms: int
) -> tuple[list[Any], int]:
    """Store the valid events; return the entries of `failed_records` and the number of the others."""
    if settings.identity == "simplified" and any(map(_is_identity_verb, events.elements)):
        state.rejected_count += len(events.elements)
        return [IDENTITY_ERROR], 0
    too_large = _too_large(request.body, settings)
    failures: list[Any] = []
    for index, event in enumerate(events.elements):
        problem = (
            (too_large.get(index) if too_large else None)
            or (None if events.is_clean else find_text_problem(event))
            or find_problem(event, now_ms=now_ms, settings=settings, strict=request.strict)
        )
        if problem:
            failures.append(_failed_record(index, event, problem))
        elif is_ignored(event["properties"]):
            state.ignored_count += 1
        else:
            state.store.add(ingested(event, now_ms=now_ms, settings=settings))
    state.rejected_count += len(failures)
    return failures, len(events.elements) - len(failures)


def _is_identity_verb(event: object) -> bool:
    name = event.get("event") if isinstance(event, dict) else None
    return isinstance(name, str) and name in IDENTITY_VERBS


def _too_large(body: ImportBody, settings: Settings) -> dict[int, Problem]:
    if len(body.plain) < settings.max_event_bytes:
        return {}
    text = f"'event' is invalid: must be smaller than {settings.max_event_bytes} bytes"
    sizes = enumerate(body.sizes_bytes())
    return {index: Problem("event", text) for index, size in sizes if size >= settings.max_event_bytes}


def _failed_record(index: int, event: object, problem: Problem) -> dict[str, Any]:
    properties = event.get("properties") if isinstance(event, dict) else None
    insert_id = properties.get("$insert_id") if isinstance(properties, dict) else None
    shown = insert_id.encode("utf-8", "replace").decode() if isinstance(insert_id, str) else ""
    return {"index": index, "insert_id": shown, "field": problem.field, "message": problem.message}


def _lenient_reply(query: Mapping[str, str], failures: list[Any], imported_count: int) -> Reply:
    status = 1 if imported_count else 0
    if query.get("verbose") != "1":
        return Reply(200, {"Content-Type": "text/plain"}, str(status).encode())
    first = failures[0] if failures else None
    text = first["message"] if isinstance(first, dict) else first
    return json_reply(200, {"status": status, "error": None if status else text})
