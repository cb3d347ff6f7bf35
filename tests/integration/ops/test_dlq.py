import json
from pathlib import Path

import pytest

from tests.builders import make_body, make_event
from tests.integration.ops.conftest import Desk


def test_list_counts_the_log_and_samples_the_queue(desk: Desk) -> None:
    """`dlq list` shows counts by reason and state, a sample, the oldest, and leaves all of it visible."""
    for reason in ("rejected", "rejected", "oversized"):
        desk.bury(make_event(), reason=reason)

    found = desk.ask("dlq", "list", "--days", "2")

    assert found["log"] == [
        {"reason": "rejected", "state": "dead", "count": 2},
        {"reason": "oversized", "state": "dead", "count": 1},
    ]
    assert found["sample"]["by_reason"] == {"rejected": 2, "oversized": 1}
    assert found["sample"]["oldest"]["sent_at"]
    assert found["queue"] == {"visible": 3, "hidden": 0}
    assert len(desk.dead()) == 3


def test_crashed_dead_letters_are_listed_apart(desk: Desk) -> None:
    """A message that SQS itself moved has no reason, and is told from one that a person wrote."""
    sqs = desk.sqs
    desk.send_dead("written by hand")
    policy = json.dumps(
        {
            "deadLetterTargetArn": sqs.get_queue_attributes(
                QueueUrl=desk.resources.dead_letter_queue_url, AttributeNames=["QueueArn"]
            )["Attributes"]["QueueArn"],
            "maxReceiveCount": 1,
        }
    )
    url = desk.resources.queue_url
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    sqs.send_message(QueueUrl=url, MessageBody=make_body(make_event(insert_id="crasher")))
    for _ in range(3):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)

    sample = desk.ask("dlq", "list", "--days", "1")["sample"]

    assert [dead_letter["insert_id"] for dead_letter in sample["crashed"]] == ["crasher"]
    assert [dead_letter["reason"] for dead_letter in sample["letters"]] == ["unknown"]


@pytest.mark.parametrize("by", ["message", "insert id"])
def test_show_tells_all_about_one_dead_letter(desk: Desk, by: str) -> None:
    """`dlq show` finds a dead letter by either id, with its body and its Log row, and leaves all visible."""
    desk.bury(make_event())
    message_id = desk.bury(make_event(insert_id="wanted"))
    which = [message_id] if by == "message" else ["--insert-id", "wanted"]

    found = desk.ask("dlq", "show", *which)

    assert found["message_id"] == message_id
    assert found["events"][0]["insert_id"] == "wanted"
    assert [row["state"] for row in found["log"]] == ["dead"]
    assert len(desk.dead()) == 2


def test_show_of_what_is_not_there_says_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A dead letter that is not there is exit code 5, and the others are visible."""
    desk.bury(make_event())

    code = desk.run("dlq", "show", "--insert-id", "nowhere")

    assert code == 5
    assert "Dead letter nowhere is not in" in capsys.readouterr().err
    assert len(desk.dead()) == 1


def test_export_writes_every_dead_letter_and_keeps_them(desk: Desk, tmp_path: Path) -> None:
    """The file has a line for each dead letter, for its owner's eyes alone, and the queue keeps them."""
    ids = {desk.bury(make_event()) for _ in range(23)} | {desk.send_dead("by hand \u2028 ü")}
    path = tmp_path / "dead.jsonl"

    found = desk.ask("dlq", "export", str(path))

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (found["letters"], found["arrived_since"]) == (24, 0)
    assert {line["message_id"] for line in lines} == ids
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]
    assert desk.run("dlq", "export", str(path)) == 2
    assert desk.run("dlq", "export", str(path), "--force") == 0
    assert len(desk.dead()) == 24


def test_export_to_a_place_that_cannot_be_written_looks_at_nothing(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there is a sentence and an exit code, and is not made."""
    code = desk.run("dlq", "export", str(tmp_path / "missing" / "dead.jsonl"))

    assert code == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_queue_is_named(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A queue that is not there is exit code 3 and a sentence with its URL."""
    url = desk.resources.dead_letter_queue_url + "-gone"

    code = desk.run("dlq", "list", "--days", "1", "--dead-letter-queue-url", url)

    error = capsys.readouterr().err
    assert code == 3
    assert url in error
    assert "AWS cannot find dead-letter queue" in error
