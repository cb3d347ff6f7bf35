"""Requests to delete people, as Mixpanel's GDPR API answers them. A page says when one is carried out.

Source: docs.mixpanel.com/reference/gdpr-api, 2026-11-23: at most 1,999 ids (another page says 2,000), one
request a second, up to 30 days until it is done; what is collected later is not deleted.
"""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

from .reply import Reply, json_reply
from .settings import Settings

PATH = "/api/app/data-deletions/v3.0/"
MAX_IDS = 1_999
STATUSES = ("PENDING", "STAGING", "STARTED", "SUCCESS", "FAILURE", "REVOKED")
_ENDED = ("SUCCESS", "FAILURE", "REVOKED")
_CAN_BE_REVOKED = ("PENDING", "STAGING")
_PAUSE_S = 1.0
_NAMES = ("distinct_id", "$user_id", "$device_id")


class DeletionError(ValueError):
    """A deletion cannot become what was asked for; the text says what it can."""


@dataclass(slots=True)
class Deletion:
    """One request.

    Attributes:
        tracking_id: by which its status is asked for.
        project_id: whose people they are.
        distinct_ids: of the people.
        status: one of STATUSES.
    """

    tracking_id: str
    project_id: str
    distinct_ids: list[str]
    status: str = "PENDING"

    def means(self, line: bytes) -> bool:
        """Whether an event, as JSON, is about one of the people."""
        properties = msgspec.json.decode(line)["properties"]
        return any(str(properties[name]) in self.distinct_ids for name in _NAMES if name in properties)


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """A request to PATH.

    Attributes:
        method: of HTTP.
        tracking_id: what follows PATH; "" for a new deletion.
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
    """All requests of a simulator. Not for several threads at once."""

    def __init__(self) -> None:
        self._found: dict[str, Deletion] = {}
        self._last_s = float("-inf")

    def handle(self, request: DeletionRequest, settings: Settings, now_s: float) -> Reply:
        """Answer one request of the moment `now_s`, epoch seconds."""
        project = settings.project_of_token(request.query.get("token", ""))
        if not (_is_owner(request.headers.get("authorization", ""), settings) and project):
            return _error(401, "unauthorised")
        if now_s - self._last_s < _PAUSE_S:
            return _error(429, "one request a second")
        self._last_s = now_s
        if request.method == "POST" and not request.tracking_id:
            return self._ask(project.project_id, request.body)
        found = self._found.get(request.tracking_id)
        found = found if found and found.project_id == project.project_id else None
        if request.method == "GET":
            return _results({"status": found.status if found else "NOT_FOUND"})
        if request.method == "DELETE" and found and found.status in _CAN_BE_REVOKED:
            found.status = "REVOKED"
            return _results({"status": found.status})
        return _error(404 if found is None else 400, f"{request.method} is not possible here")

    def _ask(self, project_id: str, body: bytes) -> Reply:
        try:
            ids = msgspec.json.decode(body, type=_Asked).distinct_ids
        except msgspec.DecodeError as error:
            return _error(400, str(error))
        if not 0 < len(ids) <= MAX_IDS:
            return _error(400, f"from 1 to {MAX_IDS} distinct_ids")
        tracking_id = f"deletion-{len(self._found) + 1}"
        self._found[tracking_id] = Deletion(tracking_id, project_id, ids)
        return _results({"task_id": tracking_id}, status=201)

    def listed(self) -> list[dict[str, Any]]:
        """Return all of them."""
        return [asdict(each) for each in self._found.values()]

    def move(self, status: str) -> list[Deletion]:
        """Give every deletion that has not ended this status; return them.

        Raises:
            DeletionError: there is no such status.
        """
        if status not in STATUSES:
            raise DeletionError(f"status must be one of {', '.join(STATUSES)}")
        moved = [each for each in self._found.values() if each.status not in _ENDED]
        for each in moved:
            each.status = status
        return moved


class _Asked(msgspec.Struct):
    distinct_ids: list[str]
    compliance_type: Literal["GDPR", "CCPA"]


def _is_owner(authorization: str, settings: Settings) -> bool:
    wanted = f"Bearer {settings.gdpr_token}"
    return bool(settings.gdpr_token) and hmac.compare_digest(authorization.encode(), wanted.encode())


def _results(results: dict[str, str], status: int = 200) -> Reply:
    return json_reply(status, {"status": "ok", "results": results})


def _error(status: int, text: str) -> Reply:
    return json_reply(status, {"status": "error", "error": text})
