"""`send`: events from a file, all of them or none; `--probe` follows one to its end."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from whyness_events import decode_message
from whyness_events.dead_letter import LOG_KEY
from whyness_events.log_entry import to_dynamodb
from whyness_ops import following, send_file
from whyness_ops.cli import main
from whyness_ops.errors import Refused
from whyness_ops.following import Follower
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

DEV = Stack("https://q", "https://d", "Log", log_group="g", name="s", environment="dev")


@dataclass
class FakeQueueAndTable:
    """A queue that keeps what it is sent, and a table whose row changes as `states` says, look by look."""

    states: Sequence[Mapping[str, Any]] = ({},)
    is_honest: bool = True
    is_known: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)
    looks: int = 0

    def send_message(self, **message: Any) -> dict[str, str]:
        """As boto3's SQS."""
        self.sent.append(message)
        digest = hashlib.md5(message["MessageBody"].encode()).hexdigest()  # noqa: S324  (SQS's own)
        return {"MessageId": "m", "MD5OfMessageBody": digest if self.is_honest else "0" * 32}

    def put_item(self, **item: Any) -> None:
        """As boto3's DynamoDB."""
        if self.is_known:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")
        self.row = dict(item["Item"])

    def query(self, **_: Any) -> dict[str, Any]:
        """As boto3's DynamoDB."""
        change = self.states[min(self.looks, len(self.states) - 1)]
        self.looks += 1
        return {"Items": [{**self.row, **to_dynamodb(change)}]}

    def filter_log_events(self, **_: Any) -> dict[str, Any]:
        """As boto3's CloudWatch Logs: one line about the event that was sent."""
        [raw] = decode_message(self.sent[-1]["MessageBody"]).raw_events
        assert isinstance(raw, dict)
        line = {"message": "not delivered", "reason": "throttled", "detail": "Mixpanel answered 429"}
        text = json.dumps({**line, "insert_ids": [raw["insert_id"]]})
        return {"events": [{"eventId": "1", "timestamp": 1, "message": text}]}


def use(monkeypatch: pytest.MonkeyPatch, aws: FakeQueueAndTable, stack: Stack = DEV) -> None:
    """Let the command work on these."""
    clients = SimpleNamespace(sqs=aws, dynamodb=aws, logs=aws)
    monkeypatch.setattr(send_file, "connect", lambda _: (clients, stack))
    monkeypatch.setattr(Stop, "wait", lambda *_: None)


def sent_names(aws: FakeQueueAndTable) -> list[str]:
    """Return the names of the events in the queue."""
    messages = [decode_message(message["MessageBody"]) for message in aws.sent]
    return [raw["event"] for message in messages for raw in message.raw_events if isinstance(raw, dict)]


def test_the_events_of_a_file_are_sent_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With their count; from standard input likewise."""
    lines = "\n".join(json.dumps({"event": f"E{n}", "data": "x" * 2_000}) for n in range(200))
    (tmp_path / "events.jsonl").write_text(lines)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    aws = FakeQueueAndTable()
    use(monkeypatch, aws)

    codes = [main(["send", name]) for name in (str(tmp_path / "events.jsonl"), "-")]

    assert codes == [0, 0]
    assert sent_names(aws) == [f"E{n}" for n in range(200)] * 2
    assert len(aws.sent) > 2
    assert "Sent 200 of 200 events." in capsys.readouterr().out


def test_one_wrong_line_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first ten are named."""
    file = tmp_path / "events.jsonl"
    file.write_text('{"event": "A"}\n' + '{"event": ""}\n' * 12)
    aws = FakeQueueAndTable()
    use(monkeypatch, aws)

    code = main(["send", str(file)])

    error = capsys.readouterr().err
    assert (code, aws.sent) == (2, [])
    assert "12 of 13 lines are not events. Nothing was sent." in error
    assert error.count("line ") == 10


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "Cannot read"), (b"", "has no line"), (b"\n \n", "has no line"), (b"\xff\xfe", "is not UTF-8")],
)
def test_a_file_that_cannot_be_sent_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    text: str,
) -> None:
    """Missing, empty, binary."""
    file = tmp_path / "events.jsonl"
    if content is not None:
        file.write_bytes(content)
    use(monkeypatch, FakeQueueAndTable())

    assert main(["send", str(file)]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stack", "options", "code"),
    [
        (DEV, [], 0),
        (Stack("https://q", is_local=True), [], 0),
        (Stack("https://q", name="s", environment="prod"), [], 4),
        (Stack("https://q", name="s", environment="prod"), ["--yes"], 0),
        (Stack("https://q"), [], 4),
    ],
)
def test_what_may_be_production_needs_a_yes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack: Stack, options: list[str], code: int
) -> None:
    """Also a stack of which nothing but the queue is known: events cannot be taken back."""
    file = tmp_path / "events.jsonl"
    file.write_text('{"event": "A"}')
    aws = FakeQueueAndTable()
    use(monkeypatch, aws, stack)

    assert main(["send", str(file), *options]) == code
    assert len(aws.sent) == (code == 0)


def test_a_message_that_the_queue_stored_otherwise_is_not_called_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer counts for the bytes that it confirms."""
    file = tmp_path / "events.jsonl"
    file.write_text('{"event": "A"}')
    use(monkeypatch, FakeQueueAndTable(is_honest=False))

    assert main(["send", str(file)]) == 3
    assert "SQS did not confirm the message" in capsys.readouterr().err


DELIVERED = {"state": "delivered"}
DEAD = {"state": "dead", "reason": "rejected", "detail": "user: found a blank string"}


@pytest.mark.parametrize(
    ("states", "code", "text"),
    [
        ([{}, {}, DELIVERED], 0, "Delivered after"),
        ([{}, DEAD], 1, "rejected: user: found a blank string"),
        ([{}], 1, "throttled: Mixpanel answered 429. It will be tried again"),
    ],
)
def test_a_probe_ends_where_its_event_ends(  # noqa: PLR0913, PLR0917  (fixtures)
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    states: Sequence[Mapping[str, Any]],
    code: int,
    text: str,
) -> None:
    """At Mixpanel, in the dead-letter queue with its reason, or in the queue with that of the last try."""
    file = tmp_path / "event.json"
    file.write_text('{"event": "A"}')
    aws = FakeQueueAndTable(states)
    use(monkeypatch, aws)
    ticks = iter(range(100))
    monkeypatch.setattr(send_file, "Follower", partial(Follower, now_s=lambda: float(next(ticks))))

    assert main(["send", str(file), "--probe", "--within", "9"]) == code

    assert text in capsys.readouterr().out
    [message] = aws.sent
    carried = message["MessageAttributes"][LOG_KEY]["StringValue"]
    assert carried == f"{aws.row['pk']['S']}/{aws.row['sk']['S']}"
    assert aws.row["reason"]["S"] == following.PROBE_REASON


def test_an_event_of_which_the_table_knows_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its earlier end would be taken for that of the probe: "delivered" at once, and nothing had arrived."""
    file = tmp_path / "event.json"
    file.write_text('{"event": "A", "insert_id": "one", "time": 1794999999000}')
    aws = FakeQueueAndTable([DELIVERED], is_known=True)
    use(monkeypatch, aws)

    assert main(["send", str(file), "--probe"]) == Refused.exit_code
    assert aws.sent == []
    assert "has event one of this time already" in capsys.readouterr().err


def test_a_probe_follows_one_event(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a file with more, nothing is sent."""
    file = tmp_path / "events.jsonl"
    file.write_text('{"event": "A"}\n{"event": "B"}')
    aws = FakeQueueAndTable()
    use(monkeypatch, aws)

    assert main(["send", str(file), "--probe"]) == 2
    assert aws.sent == []
    assert "--probe follows one event" in capsys.readouterr().err
