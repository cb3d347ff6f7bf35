"""Edge: AWS clients as this function needs them: made when first used, quick to give up, refusals kept."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from whyness_events.delivery.aws.bounded import call_within
from whyness_events.delivery.aws.connections import Connections

_OK = 200
# What became of an entry that an answer says nothing about, or nothing that adds up.
_NOT_CONFIRMED = "NotConfirmed"
# What may be logged of an answer: its text may quote what it was sent.
_is_word = re.compile(r"[\w.-]{1,100}", re.ASCII).fullmatch


def client(service: str) -> Any:
    """Return a client for `service`; endpoint and region by the SDK's own environment."""
    # boto3 costs more to import than all the rest, and the happy path may never need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # Two attempts to connect and read, and a pause between them: within ports.LONGEST_CALL_S.
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    made: Any = boto3.client(service, config=Config(connect_timeout=1, read_timeout=3, retries=retries))
    service_id = made.meta.service_model.service_id.hyphenize()
    made.meta.events.register_first(f"needs-retry.{service_id}", _at_once)
    return made


def _at_once(*, attempts: int, caught_exception: Exception | None, **_: Any) -> float | None:
    """Answer botocore's question whether to try again: after a pause of 0 s where nobody was reached.

    It would sleep for up to a second, which is billed. What AWS itself refuses still waits.
    """
    is_nobody = isinstance(caught_exception, NoConnection | HTTPClientError)
    return 0.0 if attempts == 1 and is_nobody else None


class CallFailed(Exception):
    """A call brought no answer.

    Args:
        code: AWS's error code, or the class of the error where AWS said nothing.
        request_id: AWS's own, where there is one.
    """

    def __init__(self, code: str, request_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.request_id = request_id


@dataclass(slots=True)
class Refusal:
    """What AWS refused of one operation in one invocation.

    Args:
        service: as boto3 names it.
        operation: as AWS names it.
        codes: why, each once, in the order of their first occurrence.
        aws_request_id: of the first that has one.
        count: of calls, and of entries in calls that went through.
    """

    service: str
    operation: str
    codes: list[str] = field(default_factory=list)
    aws_request_id: str = ""
    count: int = 0


class LazyClient:
    """A client that is made at the first call, and used by one thread.

    Args:
        service: as boto3 names it.
        make: returns a client for it.
    """

    def __init__(self, service: str, make: Callable[[str], Any] = client) -> None:
        self._service = service
        self._make = make
        self._made: Any = None
        self._connections: Connections | None = None
        self._refusals: dict[str, Refusal] = {}

    def attempt(self, operation: str, seconds: float, **arguments: Any) -> dict[str, Any] | None:
        """Call `operation`; None where it failed, for whatever reason, or took longer than `seconds`.

        What failed stays unconfirmed, and whoever called counts it.
        """
        try:
            return self.call(operation, seconds, **arguments)
        except CallFailed:
            return None

    def call(self, operation: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        """Call `operation`.

        Raises:
            CallFailed: it failed, for whatever reason, or took longer than `seconds`.
        """
        try:
            call: Callable[[], dict[str, Any]] = partial(getattr(self._client(), operation), **arguments)
            answer = call_within(seconds, call)
        except Exception as error:  # noqa: BLE001  (whatever it is, nothing is confirmed; its text may quote)
            if isinstance(error, TimeoutError):
                self._discard()
            failed = _failed(error)
        else:
            status = answer["ResponseMetadata"]["HTTPStatusCode"]
            if status == _OK:
                return answer
            self.close()  # an interim answer: the true one may still come, and the next call would read it
            failed = CallFailed(f"HTTP {status}")
        self.refused(operation, failed.code, request_id=failed.request_id)
        raise failed

    def refused(self, operation: str, code: str, *, count: int = 1, request_id: str = "") -> None:
        """Keep for the log that AWS refused a call, or `count` entries of one."""
        name = "".join(word.capitalize() for word in operation.split("_"))
        refusal = self._refusals.setdefault(operation, Refusal(self._service, name))
        if code not in refusal.codes:
            refusal.codes.append(code)
        refusal.aws_request_id = refusal.aws_request_id or request_id
        refusal.count += count

    def refused_entries(self, operation: str, codes: list[str], answer: dict[str, Any]) -> None:
        """Keep for the log which entries of an answer were refused."""
        request_id = _word(answer["ResponseMetadata"].get("RequestId"))
        for code in codes:
            self.refused(operation, _word(code) or _NOT_CONFIRMED, request_id=request_id)

    def end_invocation(self) -> list[Refusal]:
        """Close what is open: it may not outlive a freeze. Return what was refused since the last time."""
        self.close()
        refusals, self._refusals = list(self._refusals.values()), {}
        return refusals

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        if self._made is not None:
            self._made.close()

    def _client(self) -> Any:
        if self._made is None:
            self._made = self._make(self._service)
            self._connections = Connections(self._made)
        return self._made

    def _discard(self) -> None:
        """End the call that was given up: its thread, its connection, and whatever it would try next."""
        if self._connections is not None:
            self._connections.cut()
        self._made = self._connections = None


def _failed(error: Exception) -> CallFailed:
    if not isinstance(error, ClientError):
        return CallFailed(type(error).__name__)
    metadata = error.response.get("ResponseMetadata", {})
    code = _word(error.response.get("Error", {}).get("Code")) or f"HTTP {metadata.get('HTTPStatusCode', 0)}"
    return CallFailed(code.removeprefix("AWS.SimpleQueueService."), _word(metadata.get("RequestId")))


def _word(text: object) -> str:
    return text if isinstance(text, str) and _is_word(text) else ""
