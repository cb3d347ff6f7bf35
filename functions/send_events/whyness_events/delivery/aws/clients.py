"""Edge: AWS clients that are made at first use, give up soon, and remember what AWS refused."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from msgspec import Struct, field

from whyness_events.delivery.aws.bounded import call_within
from whyness_events.delivery.aws.connections import Connections

_OK = 200
# The code of an entry that the answer does not mention, or contradicts itself about.
_NOT_CONFIRMED = "NotConfirmed"
# Only single words of an answer may be logged: its text may quote the request.
_is_word = re.compile(r"[\w.-]{1,100}", re.ASCII).fullmatch


def client(service: str) -> Any:
    """Return a boto3 client for `service`; endpoint and region come from the SDK's environment variables."""
    # boto3 takes longer to import than everything else, and the happy path may never need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # Two attempts and the pause between them take less than ports.LONGEST_CALL_S.
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    made: Any = boto3.client(service, config=Config(connect_timeout=1, read_timeout=3, retries=retries))
    service_id = made.meta.service_model.service_id.hyphenize()
    made.meta.events.register_first(f"needs-retry.{service_id}", _at_once)
    return made


def _at_once(*, attempts: int, caught_exception: Exception | None, **_: Any) -> float | None:
    """Tell botocore to retry without a pause if AWS was not reached; None leaves the decision to botocore.

    Botocore would sleep for up to a second, which is billed. What AWS itself refuses is retried after its
    pause.
    """
    is_unreached = isinstance(caught_exception, NoConnection | HTTPClientError)
    return 0.0 if attempts == 1 and is_unreached else None


class CallFailed(Exception):
    """A call to AWS failed.

    Args:
        code: AWS's error code, or the name of the exception if AWS did not answer.
        request_id: AWS's request id; `""` if there is none.
    """

    def __init__(self, code: str, request_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.request_id = request_id


class Refusal(Struct):
    """What AWS refused of one operation in one invocation.

    Args:
        service: boto3's name for it.
        operation: AWS's name for it.
        codes: distinct error codes, in the order of their first occurrence.
        aws_request_id: of the first refusal that has one.
        count: refused calls, plus refused entries of calls that succeeded.
    """

    service: str
    operation: str
    codes: list[str] = field(default_factory=list)
    aws_request_id: str = ""
    count: int = 0


class LazyClient:
    """A client that is made at the first call. One thread uses it.

    Args:
        service: boto3's name for it.
        make: returns a client for a service.
    """

    def __init__(self, service: str, make: Callable[[str], Any] = client) -> None:
        self._service = service
        self._make = make
        self._made: Any = None
        self._connections: Connections | None = None
        self._refusals: dict[str, Refusal] = {}

    def attempt(self, operation: str, seconds: float, **arguments: Any) -> dict[str, Any] | None:
        """Call `operation`; return None if it failed for any reason, or took longer than `seconds`."""
        try:
            return self.call(operation, seconds, **arguments)
        except CallFailed:
            return None

    def call(self, operation: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        """Call `operation`.

        Args:
            operation: boto3's name for it, such as `send_message_batch`.
            seconds: after which the call is given up.
            arguments: of the operation.

        Raises:
            CallFailed: it failed for any reason, or took longer than `seconds`.
        """
        try:
            call: Callable[[], dict[str, Any]] = partial(getattr(self._client(), operation), **arguments)
            answer = call_within(seconds, call)
        except Exception as error:  # noqa: BLE001  (any error confirms nothing; its text may quote)
            if isinstance(error, TimeoutError):
                self._discard()
            failed = _failed(error)
        else:
            status = answer["ResponseMetadata"]["HTTPStatusCode"]
            if status == _OK:
                return answer
            self.close()  # an interim answer: the final one may still arrive, and the next call would read it
            failed = CallFailed(f"HTTP {status}")
        self.refused(operation, failed.code, request_id=failed.request_id)
        raise failed

    def refused(self, operation: str, code: str, *, count: int = 1, request_id: str = "") -> None:
        """Note for the log that AWS refused a call, or `count` entries of one."""
        name = "".join(word.capitalize() for word in operation.split("_"))
        refusal = self._refusals.setdefault(operation, Refusal(self._service, name))
        if code not in refusal.codes:
            refusal.codes.append(code)
        refusal.aws_request_id = refusal.aws_request_id or request_id
        refusal.count += count

    def refused_entries(self, operation: str, codes: list[str], answer: dict[str, Any]) -> None:
        """Note for the log the error codes of refused entries; `answer` has the request id."""
        request_id = _word(answer["ResponseMetadata"].get("RequestId"))
        for code in codes:
            self.refused(operation, _word(code) or _NOT_CONFIRMED, request_id=request_id)

    def end_invocation(self) -> list[Refusal]:
        """Close the connections, which a freeze would break; return what was refused since the last call."""
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
        """End the call that was given up: its connections and its retries, so that its thread ends."""
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
