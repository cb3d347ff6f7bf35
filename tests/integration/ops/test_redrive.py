import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_event
from tests.integration.ops.conftest import Desk
from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.aws.log_table import DynamoDbLog
from whyness_events.delivery.clock import SystemClock
from whyness_events.log_entry import DeliveredRow, LogKey, log_key
from whyness_ops import Aws, LogTable, Redrive, Redriven, Selection, Stack

ROOT = Path(__file__).parents[3]
LONG_AGO_MS = 1_700_000_000_000
EDIT = "tests.integration.ops.edits:name_it"


def names(messages: list[Any]) -> list[str]:
    """Return the insert ids in messages, in order of the alphabet."""
    return sorted(event["insert_id"] for m in messages for event in json.loads(m["Body"])["events"])


def test_a_selection_moves_what_it_means_and_nothing_else(desk: Desk) -> None:
    """What matches goes to the queue with its log key alone, the rest stays; the rows say which."""
    desk.bury(make_event(insert_id="a1", event="Audio upload"))
    desk.bury(make_event(insert_id="b1", event="Click"))
    desk.bury(make_event(insert_id="a2", event="Audio upload"), reason="oversized")

    found = desk.ask("redrive", "--event", "Audio upload", "--reason", "rejected")

    assert (found["looked_at"], found["matched"], found["sent"], found["left"]) == (3, 1, 1, [])
    assert [desk.states(i) for i in ("a1", "b1", "a2")] == [["redriven"], ["dead"], ["dead"]]
    queued = desk.queued()
    assert names(queued) == ["a1"]
    assert list(queued[0]["MessageAttributes"]) == ["log_key"]
    assert queued[0]["MessageAttributes"]["log_key"]["StringValue"].startswith("a1/")
    assert names(desk.dead()) == ["a2", "b1"]


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    """A dry run counts what would go and leaves dead letters, rows and queue as they were."""
    desk.bury(make_event(insert_id="a1"))

    found = desk.ask("redrive", "--reason", "rejected", "--dry-run")

    assert (found["matched"], found["sent"], found["dry_run"]) == (1, 1, True)
    assert desk.states("a1") == ["dead"]
    assert desk.ask("log", "list", "--reason", "redrive") == []
    assert desk.queued() == []
    assert names(desk.dead()) == ["a1"]


def test_a_limit_is_kept(desk: Desk) -> None:
    """No more dead letters are sent than asked for; the others that were inspected are visible at once."""
    for _ in range(17):
        desk.bury(make_event())

    found = desk.ask("redrive", "--limit", "12")

    assert found["sent"] == 12
    assert len(desk.queued()) == 12
    assert len(desk.dead()) == 5


def test_every_redrive_leaves_an_audit_row(desk: Desk) -> None:
    """The Log says who, when, what selection, how many and which edit, and of a user only a hash."""
    desk.bury(make_event(user="secret-user", time=LONG_AGO_MS))

    desk.ask("redrive", "--user", "secret-user", "--edit", "tests.integration.ops.edits:name_it")

    (listed,) = desk.ask("log", "list", "--reason", "redrive")
    (row,) = desk.ask("log", "show", listed["gsi1sk"].partition("#")[2])
    assert (row["state"], row["sent"], row["left_count"]) == ("done", 1, 0)
    assert row["edit"] == "tests.integration.ops.edits:name_it"
    assert row["who"].startswith("arn:aws:")
    assert row["finished_at"] >= row["started_at"]
    assert list(json.loads(row["selection"])) == ["user_sha256"]
    assert "secret-user" not in json.dumps(row)


def test_an_edit_puts_events_right_and_what_it_cannot_stays_named(desk: Desk) -> None:
    """Edited events are sent; where the edit fails the dead letter stays, is named, and the exit is 1."""
    desk.bury(make_event(insert_id="good", time=LONG_AGO_MS))
    bad_id = desk.bury(make_event(insert_id="bad", time=LONG_AGO_MS))

    code = desk.run(
        "redrive", "--limit", "9", "--edit", "tests.integration.ops.edits:name_good_ones", "--json"
    )

    assert code == 1
    queued = desk.queued()
    assert [e["event"] for m in queued for e in json.loads(m["Body"])["events"]] == ["Put right"]
    assert [m["MessageId"] for m in desk.dead()] == [bad_id]
    assert desk.states("bad") == ["dead"]


def test_what_comes_back_is_not_sent_again(desk: Desk) -> None:
    """By the clock and the answers of a queue over HTTP; also of this very second, and each once."""
    ids = sorted(f"x{n}" for n in range(30))
    for insert_id in ids:
        desk.bury(make_event(insert_id=insert_id))
    queue_url, back = desk.resources.queue_url, list[str]()

    def die_again(report: Redriven) -> None:
        for message in desk.take_all(queue_url) if report.sent else []:
            back.append(desk.send_dead(message["Body"], reason="rejected"))

    stack = Stack(queue_url, desk.resources.dead_letter_queue_url, desk.resources.log_table_name)
    report = Redrive(Aws(), stack, Selection(reason="rejected"), progress=die_again).run()

    assert (report.sent, report.came_back, report.arrived_since) == (30, 30, 0)
    assert sorted(message["MessageId"] for message in desk.dead()) == sorted(back)
    assert len(back) == 30


def test_two_redrives_at_once_move_each_dead_letter_once(desk: Desk) -> None:
    """Two people with the same selection share the dead letters; none is lost."""
    ids = sorted(f"x{n}" for n in range(40))
    for insert_id in ids:
        desk.bury(make_event(insert_id=insert_id))
    stack = Stack(
        desk.resources.queue_url, desk.resources.dead_letter_queue_url, desk.resources.log_table_name
    )

    with ThreadPoolExecutor(2) as pool:
        reports = [pool.submit(Redrive(Aws(), stack, Selection(reason="rejected")).run) for _ in range(2)]
    sent = sum(report.result().sent for report in reports)

    assert sent == 40
    assert names(desk.queued()) == ids
    assert desk.dead() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_redrive_leaves_every_dead_letter_in_one_place(
    desk: Desk, number: signal.Signals
) -> None:
    """After Ctrl-C each dead letter is visible in one of the queues, and exit and audit row say so."""
    for n in range(30):
        desk.bury(make_event(insert_id=f"x{n}"), reason="rejected" if n % 2 else "oversized")
    command = [sys.executable, "-m", "whyness_ops", "redrive", "--reason", "rejected", "--rate", "1"]

    with subprocess.Popen(command, env=_with_paths(), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        sqs = desk.sqs
        first = sqs.receive_message(
            QueueUrl=desk.resources.queue_url, WaitTimeSeconds=20, VisibilityTimeout=0
        )
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]

    assert "Messages" in first
    assert process.returncode == 130, errors
    queued, dead = names(desk.queued()), names(desk.dead())
    assert len(queued) + len(dead) == 30
    assert 1 <= len(queued) < 15
    assert [row["state"] for row in desk.ask("log", "list", "--reason", "redrive")] == ["stopped"]


def test_dead_letter_written_by_hand_can_go_too(desk: Desk) -> None:
    """A message without any attribute is `unknown`, and goes as it is."""
    desk.send_dead("no JSON at all")

    found = desk.ask("redrive", "--reason", "unknown")

    assert found["sent"] == 1
    assert [m["Body"] for m in desk.queued()] == ["no JSON at all"]


def test_without_a_log_table_nothing_is_moved(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """No redrive without its audit row: a table that is missing stops it before anything is sent."""
    desk.bury(make_event(insert_id="a1"))

    code = desk.run("redrive", "--limit", "1", "--log-table", "gone")

    assert code == 3
    assert "Log table gone" in capsys.readouterr().err
    assert desk.queued() == []
    assert names(desk.dead()) == ["a1"]


def test_all_says_that_an_emulator_cannot(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no message move task, `--all` says what to do instead."""
    desk.bury(make_event(insert_id="a1"))

    code = desk.run("redrive", "--all")

    assert code == 3
    assert "--limit" in capsys.readouterr().err
    assert names(desk.dead()) == ["a1"]


@pytest.mark.parametrize("command", [["redrive", "--limit", "9"], ["redrive", "--all"], ["dlq", "list"]])
def test_swapped_queues_are_noticed(
    desk: Desk, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The Lambda's own queue is neither inspected nor emptied into the dead-letter queue."""
    urls = desk.resources.queue_url, desk.resources.dead_letter_queue_url
    desk.sqs.send_message(QueueUrl=urls[0], MessageBody="live")

    code = desk.run(*command, "--queue-url", urls[1], "--dead-letter-queue-url", urls[0])

    assert code == 4
    assert "swapped" in capsys.readouterr().err
    assert desk.dead() == []
    (message,) = desk.sqs.receive_message(
        QueueUrl=urls[0], MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_missing_queue_stops_it_before_anything_is_received(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """A queue to send to that is not there is named, and the dead letters were not touched."""
    desk.bury(make_event(insert_id="a1"))

    code = desk.run("redrive", "--limit", "9", "--queue-url", desk.resources.queue_url + "-gone")

    assert code == 3
    assert "-gone" in capsys.readouterr().err
    assert desk.ask("log", "list", "--reason", "redrive", "--days", "1") == []
    assert names(desk.dead()) == ["a1"]


def test_a_row_that_speaks_of_something_newer_is_left_alone(desk: Desk) -> None:
    """A row that is delivered, or dead again with another dead letter, is not set back to `redriven`."""
    desk.bury(make_event(insert_id="delivered"))
    desk.bury(make_event(insert_id="anew"))
    for insert_id, values in (
        ("delivered", {"state": "delivered"}),
        ("anew", {"dead_letter_message_id": "another"}),
    ):
        (row,) = desk.ask("log", "show", insert_id)
        log = LogTable(desk.dynamodb, desk.resources.log_table_name)
        log.update(LogKey(row["pk"], row["sk"]), values)

    found = desk.ask("redrive", "--reason", "rejected")

    assert (found["sent"], found["rows_not_marked"]) == (2, 0)
    assert desk.states("delivered") == ["delivered"]
    assert desk.states("anew") == ["dead"]


def test_the_function_moves_the_row_of_a_redriven_event_to_delivered(desk: Desk) -> None:
    """By the key that the message carries, as the Lambda's own edge does it."""
    event = make_event()
    desk.bury(event)
    desk.run("redrive", "--reason", "rejected")
    [message] = desk.queued()
    carried = LogKey.parse(message["MessageAttributes"]["log_key"]["StringValue"])
    log = DynamoDbLog(
        desk.resources.log_table_name, LazyClient("dynamodb", lambda _: desk.dynamodb), SystemClock()
    )
    assert carried is not None

    own, nobodys = (DeliveredRow(key, key) for key in (carried, LogKey("nobody", "0" * 16)))
    lost = log.mark_delivered([own, nobodys], now_ms=1, deadline_s=SystemClock().monotonic_s() + 30)

    assert lost == 0
    assert desk.states(event.insert_id) == ["delivered"]


def test_the_function_moves_the_row_of_an_edited_event_to_delivered(desk: Desk) -> None:
    """The row names the event that it was redriven as; another event that names the row does not move it."""
    event = make_event(time=LONG_AGO_MS)
    desk.bury(event)
    desk.run("redrive", "--reason", "rejected", "--edit", EDIT)
    [message] = desk.queued()
    row = LogKey.parse(message["MessageAttributes"]["log_key"]["StringValue"])
    [sent] = json.loads(message["Body"])["events"]
    table = LazyClient("dynamodb", lambda _: desk.dynamodb)
    log = DynamoDbLog(desk.resources.log_table_name, table, SystemClock())
    assert row is not None

    states = []
    for raw in ({**sent, "user": "other"}, sent):
        delivered = DeliveredRow(row, log_key(raw, message_id="", position=0))
        assert log.mark_delivered([delivered], now_ms=1, deadline_s=SystemClock().monotonic_s() + 30) == 0
        states += desk.states(event.insert_id)

    assert states == ["redriven", "delivered"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings of a site that has suppressed user 7, with its database migrated."""
    settings = "tests.integration.ops.suppressing"
    monkeypatch.setenv("SUPPRESSING_DATABASE", str(tmp_path / "site.sqlite3"))
    command = [sys.executable, "-m", "django", "migrate", "--settings", settings, "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=_with_paths(), check=True)  # noqa: S603  (what is fixed)
    return settings


def run_apart(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own: it sets Django up."""
    command = [sys.executable, "-m", "whyness_ops", *arguments]
    return subprocess.run(  # noqa: S603  (our own)
        command, cwd=ROOT, env=_with_paths(), capture_output=True, text=True, check=False
    )


def _with_paths() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'functions' / 'send_events'}"}


@pytest.mark.parametrize("selection", [("--all",), ("--reason", "rejected", "--edit", EDIT)])
def test_dead_letter_of_somebody_whom_the_site_suppresses_stays(
    desk: Desk, site: str, selection: tuple[str, ...]
) -> None:
    """The site is asked about each event, before and after the edit; with --all too."""
    desk.bury(make_event(insert_id="good", user="8", time=LONG_AGO_MS))
    desk.bury(make_event(insert_id="unwanted", user="7", time=LONG_AGO_MS))

    run = run_apart("redrive", *selection, "--site", site, "--json")

    assert run.returncode == 1, run.stderr
    report = json.loads(run.stdout)
    assert (report["sent"], len(report["left"])) == (1, 1)
    assert report["left"][0]["why"] == "its user is suppressed"
    assert names(desk.queued()) == ["good"]
    assert names(desk.dead()) == ["unwanted"]
    assert [desk.states(each) for each in ("good", "unwanted")] == [["redriven"], ["dead"]]


def test_a_site_that_does_not_load_is_named_and_nothing_is_sent(desk: Desk) -> None:
    """Without the list no dead letter may go."""
    desk.bury(make_event(insert_id="a1"))

    run = run_apart("redrive", "--limit", "9", "--site", "no.such.settings")

    assert run.returncode == 2
    assert "no.such.settings" in run.stderr
    assert "Traceback" not in run.stderr
    assert names(desk.dead()) == ["a1"]
