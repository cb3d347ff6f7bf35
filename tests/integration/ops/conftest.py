import io
import json
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.client import BaseClient

from local.emulator import Account, Emulator
from local.resources import Resources, create_resources
from local.template import Template
from tests.builders import make_body
from whyness_events import Event
from whyness_events.log_entry import LogEntry, log_key, to_dynamodb
from whyness_ops.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Desk:
    """A stack with its queues and table, and the command line that looks at it."""

    account: Account
    resources: Resources

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS as another program sees it."""
        return self.account.client("sqs")

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB as another program sees it."""
        return self.account.client("dynamodb")

    def run(self, *arguments: str) -> int:
        """Run the command; return the exit code."""
        return main([*arguments])

    def ask(self, *arguments: str) -> Any:
        """Run the command, which must succeed, and return its JSON."""
        with redirect_stdout(io.StringIO()) as out:
            code = self.run(*arguments, "--json")
        assert code == 0, out.getvalue()
        return json.loads(out.getvalue())

    def bury(self, event: Event, *, reason: str = "rejected", **attributes: str) -> str:
        """Put an event into the dead-letter queue as the Lambda does, with its Log row; return the id."""
        key = log_key(event.to_wire(), message_id="m", position=0)
        texts = {"reason": reason, "detail": "why", "log_key": str(key), "insert_id": event.insert_id}
        message_id = self.send_dead(make_body(event), **{**texts, **attributes})
        entry = LogEntry(key, reason, "why", event.event, last_failed_at_ms=now_ms())
        self.put_row(entry, dead_letter_message_id=message_id)
        return message_id

    def send_dead(self, body: str, **attributes: str) -> str:
        """Send a message to the dead-letter queue; return its id."""
        described: Any = {n: {"DataType": "String", "StringValue": v} for n, v in attributes.items() if v}
        return self.sqs.send_message(
            QueueUrl=self.resources.dead_letter_queue_url, MessageBody=body, MessageAttributes=described
        )["MessageId"]

    def put_row(self, entry: LogEntry, **more: str) -> None:
        """Put a row into the Log."""
        item: Any = to_dynamodb({**entry.to_item(), **more})
        self.dynamodb.put_item(TableName=self.resources.log_table_name, Item=item)

    def take_all(self, queue_url: str) -> list[Any]:
        """Receive and delete what is visible in a queue at this moment."""
        taken: list[Any] = []
        while messages := self.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            taken += messages
            for message in messages:
                self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def queued(self) -> list[Any]:
        """Take what waits for the Lambda."""
        return self.take_all(self.resources.queue_url)

    def dead(self) -> list[Any]:
        """Take what is in the dead-letter queue and visible."""
        return self.take_all(self.resources.dead_letter_queue_url)

    def states(self, insert_id: str) -> list[str]:
        """Return the states of the rows of an insert id."""
        return [row["state"] for row in self.ask("log", "show", insert_id)]


@pytest.fixture
def desk(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A stack of its own, named by the environment as its user would."""
    account = emulator.new_account()
    resources = create_resources(account, Template.read(), secret={})
    named = {
        "QUEUE_URL": resources.queue_url,
        "DEAD_LETTER_QUEUE_URL": resources.dead_letter_queue_url,
        "LOG_TABLE_NAME": resources.log_table_name,
    }
    for name, value in {**account.environment, **named}.items():
        monkeypatch.setenv(name, value)
    return Desk(account, resources)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the operations that boto3 calls from now on, as they come."""
    found: set[str] = set()
    call: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]  # boto3's stubs leave it out

    def record(client: Any, operation: str, arguments: Any) -> Any:
        found.add(xform_name(operation))
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return found


def now_ms() -> int:
    """Return the machine's own time: the command reads the Log of the last days."""
    return time.time_ns() // 1_000_000
