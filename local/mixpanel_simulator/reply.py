"""Mixpanel's answers, and how an answer is delivered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

CREDENTIALS_ERROR = "Invalid credentials"
RATE_ERROR = "Project exceeded rate limits. Please retry the request with exponential backoff."
VALIDATION_ERROR = "some data points in the request failed validation"
# What decoding raises for a body that is not JSON, not UTF-8, or too deep.
NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)
IDENTITY_ERROR = "identity events are not allowed when project is using simplified identity management"


def too_large_error(limit_bytes: int) -> str:
    """Return the text of a 413."""
    return f"request exceeds max limit of {limit_bytes} bytes"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and how it is delivered.

    Attributes:
        stream: sent instead of `body`, piece by piece.
        delay_s: wait before the answer.
        drip_s: pause after each byte of the answer, head included; 0 = at once.
        connection: "" = answer; "reset" = no answer, the connection is reset; "hang" = no answer, the
            connection stays open; "refuse" = there was no connection.
        cut: announce the whole length, send half of the body, close.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterable[bytes] | None = None
    delay_s: float = 0.0
    drip_s: float = 0.0
    connection: str = ""
    cut: bool = False

    @property
    def outcome(self) -> str:
        """Return what the client sees: the status, or why there is none."""
        return self.connection or ("cut" if self.cut else str(self.status))


def json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer with a JSON body."""
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, msgspec.json.encode(value))


def phrase(status: int) -> str:
    """Return Mixpanel's name of a status; the number of one without a name."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "Request Entity Too Large"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)


def imported(count: int) -> Reply:
    """Return the answer that all events were imported."""
    return json_reply(200, {"code": 200, "num_records_imported": count, "status": "OK"})


def partly_imported(count: int, failed_records: list[Any]) -> Reply:
    """Return the answer that names the events that were not imported; `count` others were."""
    answer = {
        "code": 400,
        "error": VALIDATION_ERROR,
        "status": phrase(400),
        "num_records_imported": count,
        "failed_records": failed_records,
    }
    return json_reply(400, answer)


def refused(status: int, error: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return the answer that refuses a whole request."""
    return json_reply(status, {"code": status, "error": error, "status": phrase(status)}, headers)


def error_reply(status: int, error: str) -> Reply:
    """Return the answer that refuses a request, as the APIs for people word it."""
    return json_reply(status, {"error": error, "status": "error"})


class Refused(Exception):
    """The whole request is refused; no event was imported."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {error}")
        self.status = status
        self.error = error
        self.headers = headers

    def reply(self, *, strict: bool) -> Reply:
        """Return the answer for a strict or a lenient sender."""
        if strict:
            return refused(self.status, self.error, self.headers)
        return json_reply(self.status, {"error": self.error, "status": 0}, self.headers)
