"""The result of an invocation, classified as Lambda does. Pure."""

import json
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

_ERROR_KEYS = {"errorMessage", "errorType", "requestId"}


class Fault(StrEnum):
    """Why an invocation has no answer from the handler."""

    ERROR = "error"  # the handler raised, or its answer was too large
    TIMEOUT = "timeout"
    CRASH = "crash"  # the process died, or could not load the handler
    UNREACHABLE = "unreachable"  # the runtime emulator did not answer


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The handler's answer as JSON text in `body`; or a `fault`, with its description in `body`."""

    body: str
    fault: Fault | None = None


def classify(status: int, body: str) -> InvocationResult:
    """Read an answer of the runtime interface emulator.

    The emulator sends 200 for an exception (as an error document) and for a timeout (as plain text), and 502
    for a process that died or an answer above 6 MB. Source: aws-lambda-rie of aws-sam-cli 1.170.0, by trial,
    2026-11.
    """
    if status == HTTPStatus.BAD_GATEWAY and "Function.ResponseSizeTooLarge" not in body:
        return InvocationResult(body, Fault.CRASH)
    if status != HTTPStatus.OK or _is_error_document(body):
        return InvocationResult(body, Fault.ERROR)
    if body.startswith("Task timed out after "):
        return InvocationResult(body, Fault.TIMEOUT)
    return InvocationResult(body)


def _is_error_document(body: str) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.keys() >= _ERROR_KEYS
