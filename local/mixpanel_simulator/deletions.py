"""Requests to delete people, as Mixpanel's GDPR API answers them. A control page carries them out.

Source: docs.mixpanel.com/reference/gdpr-api, 2026-11-23: at most 1,999 ids (another page says 2,000), one
request a second, up to 30 days until it is done; what is collected later is not deleted.
"""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

from .reply import NOT_JSON, Reply, error_reply, json_reply
from .settings import Settings

PATH = "/api/app/data-deletions/v3.0/"
MAX_IDS = 1_999
STATUSES = ("PENDING", "STAGING", "STARTED", "SUCCESS", "FAILURE", "REVOKED")
_ENDED = ("SUCCESS", "FAILURE", "REVOKED")
_CAN_BE_REVOKED = ("PENDING", "STAGING")
_PAUSE_S = 1.0
_NAMES = ("distinct_id", "$user_id", "$device_id")


class DeletionError(ValueError):
    """The status of a deletion is invalid; the text names the valid ones."""


@dataclass(slots=True)
class Deletion:
    """A request to delete people.

    Attributes:
        tracking_id: for requests of its status.
        project_id: whose people they are.
        distinct_ids: of the people.
        status: one of STATUSES.
    """

    tracking_id: str
    project_id: str
    distinct_ids: list[str]
    status: str = "PENDING"

    def concerns(self, line: bytes) -> bool:
        """Return whether an event, as JSON, belongs to one of the people."""
        properties = msgspec.json.decode(line)["properties"]
        return any(str(properties[name]) in self.distinct_ids for name in _NAMES if name in properties)


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """An HTTP request below PATH.

    Attributes:
        method: of HTTP.
        tracking_id: the rest of the path; "" for a new deletion.
        headers: names in lower case.
        query: with the project's token.
        body: of a POST.
    """

    method: str
    tracking_id: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Deletions:
    """All deletions of a simulator. Not thread-safe."""

    def __init__(self) -> None:
        self._deletions: dict[str, Deletion] = {}
        self._last_s = float("-inf")

    def handle(self, request: DeletionRequest, settings: Settings, now_s: float) -> Reply:
        """Answer a request at `now_s`, in epoch seconds."""
        project = settings.project_of_token(request.query.get("token", ""))
        if not (_is_owner(request.headers.get("authorization", ""), settings) and project):
            return error_reply(401, "unauthorised")
        if now_s - self._last_s < _PAUSE_S:
            return error_reply(429, "one request a second")
        self._last_s = now_s
        if request.method == "POST" and not request.tracking_id:
            return self._ask(project.project_id, request.body)
        deletion = self._deletions.get(request.tracking_id)
        deletion = deletion if deletion and deletion.project_id == project.project_id else None
        if request.method == "GET":
            return _results({"status": deletion.status if deletion else "NOT_FOUND"})
        if request.method == "DELETE" and deletion and deletion.status in _CAN_BE_REVOKED:
            deletion.status = "REVOKED"
            return _results({"status": deletion.status})
        return error_reply(404 if deletion is None else 400, f"{request.method} is not possible here")

    def _ask(self, project_id: str, body: bytes) -> Reply:
        try:
            ids = msgspec.json.decode(body, type=_Asked).distinct_ids
        except NOT_JSON as error:
            return error_reply(400, str(error))
        if not 0 < len(ids) <= MAX_IDS:
            return error_reply(400, f"distinct_ids must have from 1 to {MAX_IDS} entries")
        tracking_id = f"deletion-{len(self._deletions) + 1}"
        self._deletions[tracking_id] = Deletion(tracking_id, project_id, ids)
        return _results({"task_id": tracking_id}, status=201)

    def listed(self) -> list[dict[str, Any]]:
        """Return all deletions."""
        return [asdict(deletion) for deletion in self._deletions.values()]

    def move(self, status: str) -> list[Deletion]:
        """Give every open deletion this status, and return those.

        Raises:
            DeletionError: the status is unknown.
        """
        if status not in STATUSES:
            raise DeletionError(f"status must be one of {', '.join(STATUSES)}")
        moved = [deletion for deletion in self._deletions.values() if deletion.status not in _ENDED]
        for deletion in moved:
            deletion.status = status
        return moved


class _Asked(msgspec.Struct):
    distinct_ids: list[str]
    compliance_type: Literal["GDPR", "CCPA"]


def _is_owner(authorization: str, settings: Settings) -> bool:
    wanted = f"Bearer {settings.gdpr_token}"
    return bool(settings.gdpr_token) and hmac.compare_digest(authorization.encode(), wanted.encode())


def _results(results: dict[str, str], status: int = 200) -> Reply:
    return json_reply(status, {"status": "ok", "results": results})
