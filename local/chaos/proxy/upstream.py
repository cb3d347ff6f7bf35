"""Calls from the proxy to the emulator, each on a new connection: the emulator closes idle ones."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.chaos.proxy.errors import Answer, AwsError

_TIMEOUT_S = 60
# Headers that concern one connection, or are wrong for another body.
_NOT_PASSED_ON = {
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "x-amz-crc32",
    "date",
    "server",
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Calls of SQS with the credentials of the caller's `headers`; usable from any thread."""

    address: str
    headers: Mapping[str, str]

    def __call__(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call.

        Raises:
            AwsError: the emulator refuses it.
        """
        headers = {**self.headers, "X-Amz-Target": f"AmazonSQS.{operation}"}
        answer = exchange(self.address, "/", headers, json.dumps(payload).encode())
        document: dict[str, Any] = json.loads(answer.body)
        if answer.status != http.HTTPStatus.OK:
            raise AwsError(
                str(document.get("__type", "")).rpartition("#")[2], str(document.get("message", ""))
            )
        return document


def exchange(address: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Forward a call and return its answer, both without the headers of a single connection.

    Raises:
        OSError, HTTPException: the emulator does not answer.
    """
    passed_on = {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", path, body, passed_on)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    kept = tuple((n, v) for n, v in response.getheaders() if n.lower() not in _NOT_PASSED_ON)
    return Answer(response.status, content, kept)
