"""SQS, DynamoDB and Secrets Manager on loopback, as strict as AWS is where an emulator is not.

Only what the Lambda calls, in AWS's JSON protocols: SendMessageBatch, ChangeMessageVisibilityBatch,
DeleteMessageBatch, BatchWriteItem, BatchExecuteStatement (its one statement), GetSecretValue. The limits
are written down here a second time on purpose: the product's own would prove nothing.
Source: API references of the three services and botocore 1.44.5's service models, 2026-11-23.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.aws_stub.dynamodb_rules import (
    MOST_STATEMENTS,
    check_batch,
    key_of,
    to_python,
    update_unless_equal,
)
from tests.aws_stub.errors import REQUEST_ID, AwsError
from tests.aws_stub.sqs_rules import check_call, check_entry_ids, check_visibility, digests, fault_of
from tests.loopback import LoopbackServer, Request, Response, Trouble

ACCOUNT = "123456789012"
SECRET_ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:mixpanel-AbCdEf"
TABLE = "Log"
SEND, WRITE, GET_SECRET = "SendMessageBatch", "BatchWriteItem", "GetSecretValue"
DELAY, DELETE = "ChangeMessageVisibilityBatch", "DeleteMessageBatch"
EXECUTE = "BatchExecuteStatement"

Payload = Mapping[str, Any]
Script = Callable[[Payload], AwsError | Response | Trouble | None]


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One message that the dead-letter queue took."""

    message_id: str
    body: str
    attributes: Mapping[str, str]


@dataclass
class AwsStub:
    """The three services while the `with` block runs.

    Args:
        scripts: by operation; called with each call's payload before anything else, returns what to
            answer instead, or None for the ordinary answer.
        refuse_entry: whether SQS reports a message as `Failed`.
        refuse_handle: whether it reports a deletion or a change of visibility as `Failed`.
        leave_out: whether DynamoDB gives an item back as unprocessed.
        secrets: by ARN.
        dead letters: what the dead-letter queue took, in order.
        rows: the table, by key, as Python values.
        delays: seconds of visibility by receipt handle.
        deleted: receipt handles of what was deleted.
        calls: operation and payload of every call, in order.
    """

    scripts: dict[str, Script] = field(default_factory=dict)
    refuse_entry: Callable[[Payload], bool] = lambda _: False
    refuse_handle: Callable[[Payload], bool] = lambda _: False
    leave_out: Callable[[Mapping[str, Any]], bool] = lambda _: False
    secrets: dict[str, str] = field(default_factory=dict)
    dead_letters: list[StoredDeadLetter] = field(default_factory=list)
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    delays: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    calls: list[tuple[str, Payload]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = LoopbackServer(self._respond)

    @property
    def dead_letter_queue_url(self) -> str:
        """Of the queue that takes messages."""
        return f"{self.server.url}/{ACCOUNT}/events-dead"

    @property
    def queue_url(self) -> str:
        """Of the queue whose records can be delayed."""
        return f"{self.server.url}/{ACCOUNT}/events"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which any AWS SDK uses this stub and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def reasons(self) -> list[str]:
        """The dead letters' reasons, in order; `""` where there was no room for one."""
        return [dead_letter.attributes.get("reason", "") for dead_letter in self.dead_letters]

    def call_count(self, operation: str) -> int:
        """How often an operation was called, whatever it answered."""
        return sum(called == operation for called, _ in self.calls)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def _respond(self, request: Request) -> Response | Trouble:
        assert "AWS4-HMAC-SHA256" in request.headers.get("authorization", ""), "the call is not signed"
        service, _, operation = request.headers["x-amz-target"].partition(".")
        payload = json.loads(request.body)
        self.calls.append((operation, payload))
        try:
            script = self.scripts.get(operation)
            found = script(payload) if script else None
            if isinstance(found, AwsError):
                raise found
            return found or self._answer(operation, payload)
        except AwsError as error:
            return error.response(service)

    def _answer(self, operation: str, payload: Payload) -> Response:
        answers = {
            SEND: self._send,
            WRITE: self._write,
            GET_SECRET: self._get_secret,
            DELAY: self._delay,
            DELETE: self._delete,
            EXECUTE: self._execute,
        }
        body = json.dumps(answers[operation](payload)).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": REQUEST_ID}
        return Response(200, body, headers)

    def _send(self, payload: Payload) -> dict[str, Any]:
        if payload["QueueUrl"] != self.dead_letter_queue_url:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        check_call(payload["Entries"])
        answer: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        for entry in payload["Entries"]:
            code = "InternalError" if self.refuse_entry(entry) else fault_of(entry)
            if code:
                failed = {"Id": entry["Id"], "Code": code, "SenderFault": code != "InternalError"}
                answer["Failed"].append(failed)
            else:
                answer["Successful"].append(self._take(entry))
        return {name: entries for name, entries in answer.items() if entries}

    def _take(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        attributes = {n: a["StringValue"] for n, a in entry.get("MessageAttributes", {}).items()}
        dead_letter = StoredDeadLetter(f"dead-{len(self.dead_letters) + 1}", entry["MessageBody"], attributes)
        self.dead_letters.append(dead_letter)
        return {"Id": entry["Id"], "MessageId": dead_letter.message_id, **digests(entry)}

    def _delay(self, payload: Payload) -> dict[str, Any]:
        if payload["QueueUrl"] != self.queue_url:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        entries = payload["Entries"]
        check_visibility(entries)
        taken, answer = self._divided(entries)
        self.delays |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in taken}
        return answer

    def _delete(self, payload: Payload) -> dict[str, Any]:
        if payload["QueueUrl"] != self.queue_url:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        check_entry_ids(payload["Entries"])
        taken, answer = self._divided(payload["Entries"])
        self.deleted += [entry["ReceiptHandle"] for entry in taken]
        return answer

    def _divided(self, entries: Sequence[Payload]) -> tuple[list[Payload], dict[str, Any]]:
        """Return the entries that are not refused, and the answer to all."""
        failed = [entry for entry in entries if self.refuse_handle(entry)]
        taken = [entry for entry in entries if entry not in failed]
        return taken, {
            "Successful": [{"Id": entry["Id"]} for entry in taken],
            "Failed": [
                {"Id": e["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True} for e in failed
            ],
        }

    def _execute(self, payload: Payload) -> dict[str, Any]:
        statements = payload["Statements"]
        if not 1 <= len(statements) <= MOST_STATEMENTS:
            raise AwsError("ValidationException", "from 1 to 25 statements")
        return {
            "Responses": [update_unless_equal(self.rows, TABLE, each, self.leave_out) for each in statements]
        }

    def _write(self, payload: Payload) -> dict[str, Any]:
        tables = payload["RequestItems"]
        if set(tables) != {TABLE}:
            raise AwsError("ResourceNotFoundException", "Requested resource not found")
        items = [request["PutRequest"]["Item"] for request in tables[TABLE]]
        check_batch(items)
        left = [item for item in items if self.leave_out(item)]
        for item in items:
            if item not in left:
                self.rows[key_of(item)] = to_python(item)
        return {"UnprocessedItems": {TABLE: [{"PutRequest": {"Item": i}} for i in left]} if left else {}}

    def _get_secret(self, payload: Payload) -> dict[str, Any]:
        arn = payload["SecretId"]
        if arn not in self.secrets:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return {"ARN": arn, "Name": "mixpanel", "VersionId": "1" * 32, "SecretString": self.secrets[arn]}


def always(found: AwsError | Trouble) -> Script:
    """Return a script for all calls."""
    return lambda _: found


def times(count: int, found: AwsError | Trouble) -> Script:
    """Return a script for the next `count` calls."""
    left = [found] * count
    return lambda _: left.pop() if left else None
