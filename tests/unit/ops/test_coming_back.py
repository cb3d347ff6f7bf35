import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW_MS, make_body, make_event
from tests.unit.ops.fake_sqs import DEAD, LIVE, OPENED_MS, FakeAws, FakeDynamoDb
from whyness_ops import (
    Aws,
    DeadLetter,
    DeadLetterQueue,
    LogTable,
    Redrive,
    Redriven,
    Selection,
    Stack,
    Stop,
    export,
    rebuild,
    stack_options,
)
from whyness_ops.cli import main
from whyness_ops.dead_letter_queue import HELD_MOST
from whyness_ops.snapshot import Place, Snapshot, marks

STACK = Stack(LIVE, DEAD, "Log")
ALL = Selection()
Letters = Iterator[tuple[str, Mapping[str, str]]]


def as_it_was(entry: Mapping[str, Any]) -> Letters:
    """Make the message dead again as a whole, without attributes, as SQS moves one that crashes."""
    yield entry["MessageBody"], {}


def event_by_event(entry: Mapping[str, Any]) -> Letters:
    """Make each event dead in an envelope of its own, as the function does; text that is none as it was."""
    key = entry.get("MessageAttributes", {}).get("log_key", {}).get("StringValue", "")
    try:
        events = json.loads(entry["MessageBody"])["events"]
    except ValueError:
        yield entry["MessageBody"], {"reason": "unreadable"}
        return
    for event in events:
        body = {"identity": "distinct_id", "schema_version": 1, "events": [event]}
        yield json.dumps(body, indent=1), {"reason": "rejected", "log_key": key if len(events) == 1 else ""}


def without_a_key(entry: Mapping[str, Any]) -> Letters:
    """Make it dead again without its row's key, as where there is no room for one."""
    yield f" {entry['MessageBody']}", {"reason": "rejected", "detail": "why"}


def buried(count: int, **attributes: str) -> FakeAws:
    """Return queues with so many dead letters that were there yesterday."""
    aws = FakeAws()
    for n in range(count):
        texts = {"reason": "rejected", "detail": "why", **attributes}
        aws.sqs.bury(f"id-{n:05}", make_body(make_event(insert_id=f"x{n}")), **texts)
    return aws


def redrive(aws: FakeAws, selection: Selection = ALL, **more: Any) -> Redriven:
    """Run a redrive of it."""
    more = {"now_ms": lambda: NOW_MS, **more}
    return Redrive(cast("Aws", aws), STACK, selection, **more).run()


def sent_ids(aws: FakeAws) -> Counter[str]:
    """Return how often each event was sent."""
    bodies = [json.loads(entry["MessageBody"])["events"] for entry in aws.sqs.sent]
    return Counter(event["insert_id"] for events in bodies for event in events)


@pytest.mark.parametrize(
    ("count", "dies_after", "die_again", "tells_time"),
    [
        *itertools.product([1, 509], [0, 3, 400], [as_it_was, event_by_event], [True, False]),
        (5_000, 0, as_it_was, True),
        (5_000, 400, event_by_event, False),
    ],
)
def test_what_comes_back_is_counted_and_not_sent_twice(
    count: int, dies_after: int, die_again: Callable[[Mapping[str, Any]], Letters], *, tells_time: bool
) -> None:
    """However soon, in whatever form, and although SQS hands it out before what was there."""
    aws = buried(count)
    aws.sqs.die_again, aws.sqs.dies_after, aws.sqs.tells_time = die_again, dies_after, tells_time

    report = redrive(aws)

    assert set(sent_ids(aws).values()) == {1}
    assert (report.sent, report.looked_at, report.total) == (count, count, count)
    assert report.came_back <= len(aws.sqs.messages)
    assert aws.sqs.visible == set(aws.sqs.messages)
    if not dies_after:
        assert report.came_back == count
    assert report.arrived_since == 0


@pytest.mark.parametrize("tells_time", [True, False])
@pytest.mark.parametrize("off_ms", [-3_600_000, 3_600_000])
def test_a_host_with_a_wrong_clock_sends_each_once(off_ms: int, *, tells_time: bool) -> None:
    """An hour before or after AWS's time, it neither skips dead letters nor sends them for ever."""
    aws = buried(0)
    for n in range(50):
        sent_ms = OPENED_MS - n * 200
        aws.sqs.bury(f"id-{n}", make_body(make_event(insert_id=f"x{n}")), sent_ms=sent_ms)
    aws.sqs.die_again, aws.sqs.tells_time = as_it_was, tells_time

    report = redrive(aws, now_ms=lambda: OPENED_MS + off_ms)

    assert sent_ids(aws) == Counter({f"x{n}": 1 for n in range(50)})
    assert report.came_back == 50


def edit(event: dict[str, Any]) -> dict[str, Any]:
    """Give the event another name, and another id, so that its row has another key."""
    return {**event, "event": "Renamed", "insert_id": f"new-{event['insert_id']}"}


@pytest.mark.parametrize(
    ("more", "selection", "count"),
    [
        ({}, Selection(limit=37), 37),
        ({"rate_per_s": 3.0}, ALL, 120),
        ({"edit": edit}, ALL, 120),
        ({"edit": edit}, Selection(reason="rejected", limit=61), 61),
        ({}, Selection(insert_id="x7"), 1),
        ({"dry_run": True}, ALL, 120),
    ],
)
@pytest.mark.parametrize("die_again", [as_it_was, event_by_event, without_a_key])
def test_with_any_option_each_goes_once(
    more: dict[str, Any],
    selection: Selection,
    count: int,
    die_again: Callable[[Mapping[str, Any]], Letters],
) -> None:
    """A limit, a rate, an edit, a selection or a dry run change nothing of it."""
    aws = buried(120)
    aws.sqs.die_again = die_again

    report = redrive(aws, selection, stop=ImpatientStop(), **more)

    assert report.sent == count
    assert sum(sent_ids(aws).values()) == (0 if report.dry_run else count)
    assert set(sent_ids(aws).values()) <= {1}
    assert aws.sqs.visible == set(aws.sqs.messages)


class ImpatientStop(Stop):
    """Waits for nothing."""

    def wait(self, seconds: float) -> None:
        """Do as if."""


def test_ctrl_c_while_everything_comes_back_leaves_all_visible() -> None:
    """What was sent until then was sent once."""
    aws, stop = buried(200), Stop()
    aws.sqs.die_again = as_it_was

    report = redrive(aws, stop=stop, progress=lambda r: stop.set() if r.sent >= 50 else None)

    assert report.stopped
    assert (report.sent, set(sent_ids(aws).values())) == (50, {1})
    assert aws.sqs.visible == set(aws.sqs.messages)


def test_two_redrives_side_by_side_end_both() -> None:
    """Each sends a dead letter once at most, whatever the other one had back."""
    aws = buried(300)
    aws.sqs.die_again = event_by_event
    second: list[Redriven] = []

    def start_the_second(name: str) -> None:
        if name == "send" and not second and len(aws.sqs.sent) >= 100:
            second.append(Redriven())  # it calls this too
            second[0] = redrive(aws)

    aws.sqs.before = start_the_second
    first = redrive(aws)

    assert first.sent + second[0].sent == len(aws.sqs.sent)
    assert set(sent_ids(aws).values()) <= {1, 2}
    assert sent_ids(aws).keys() == {f"x{n}" for n in range(300)}
    assert aws.sqs.visible == set(aws.sqs.messages)


def test_what_others_add_is_told_left_and_does_not_keep_it_running() -> None:
    """A function that makes ten dead letters for each look at the queue cannot hold it up for ever."""
    aws = buried(30)

    def add(name: str) -> None:
        if name == "receive" and len(aws.sqs.messages) < HELD_MOST:
            for _ in range(10):
                aws.sqs.born += 1
                body = make_body(make_event(insert_id=f"stranger{aws.sqs.born}"))
                aws.sqs.bury(f"new-{aws.sqs.born:06}", body, sent_ms=aws.sqs.now_ms + 60_000)
            aws.sqs.now_ms += 60_000

    aws.sqs.before = add
    report = redrive(aws)

    assert (report.sent, report.came_back) == (30, 0)
    assert 0 < report.arrived_since < 1_000
    assert aws.sqs.visible == set(aws.sqs.messages)


def test_two_dead_letters_of_one_event_go_both() -> None:
    """The second is not taken for the first one come back, where it was there before."""
    aws = FakeAws()
    for name in ("a", "b", "c"):
        aws.sqs.bury(f"id-{name}", make_body(make_event(insert_id="x")), reason="rejected")

    report = redrive(aws)

    assert (report.sent, report.came_back) == (3, 0)


def test_a_crashed_message_is_as_old_as_its_sending() -> None:
    """One that SQS moves meanwhile keeps its time: it goes too, and once."""
    aws = buried(20)
    body = make_body(make_event(insert_id="crashed"), make_event(insert_id="neighbour"))

    def move(name: str) -> None:
        if name == "send":
            aws.sqs.bury("id-crashed", body, sent_ms=1_794_000_000_000)
            aws.sqs.before = lambda _: None

    aws.sqs.before, aws.sqs.die_again = move, as_it_was
    report = redrive(aws)

    assert report.sent == 21
    assert set(sent_ids(aws).values()) == {1}


@pytest.mark.parametrize("sent_ms", ["", "soon", "-5", "0", "1" * 5_000, "253402300799999", "²", "1e12"])
@pytest.mark.parametrize("tells_time", [True, False])
def test_dead_letter_of_no_possible_time_goes_once(sent_ms: str, *, tells_time: bool) -> None:
    """Where the time is missing, or lies beyond AWS's own, what was sent decides."""
    aws = FakeAws()
    aws.sqs.tells_time = tells_time
    aws.sqs.bury("id", make_body(make_event(insert_id="x")), sent_ms=sent_ms)
    aws.sqs.die_again = as_it_was

    assert (redrive(aws).sent, len(aws.sqs.sent)) == (1, 1)


@pytest.mark.parametrize(
    ("age_ms", "is_sent", "place"),
    [
        (10_000, False, Place.THERE),
        (10_000, True, Place.THERE),
        (0, False, Place.THERE),
        (0, True, Place.SENT_AGAIN),
        (-2_999, False, Place.THERE),
        (-2_999, True, Place.SENT_AGAIN),
        (-3_001, False, Place.ELSEWHERE),
        (-3_001, True, Place.SENT_AGAIN),
    ],
)
def test_where_a_dead_letter_was_is_told_by_its_time_and_by_what_was_sent(
    age_ms: int, place: Place, *, is_sent: bool
) -> None:
    """`Date` has whole seconds and clocks differ: of those few seconds what was sent decides."""
    dead_letter = DeadLetter("id", make_body(make_event()), {}, sent_ms=OPENED_MS - age_ms)
    snapshot = Snapshot(OPENED_MS, sent=marks(dead_letter) if is_sent else set())

    assert snapshot.place(dead_letter, now_ms=OPENED_MS + 60_000) == place


@given(
    ages_ms=st.lists(st.integers(min_value=0, max_value=100_000), max_size=40),
    dies_after=st.integers(min_value=0, max_value=40),
    again=st.sampled_from([as_it_was, event_by_event]),
    tells_time=st.booleans(),
    body_kinds=st.lists(st.sampled_from(["event", "two events", "text", "no event"]), min_size=1, max_size=8),
)
def test_each_dead_letter_that_was_there_goes_exactly_once(
    ages_ms: list[int],
    dies_after: int,
    again: Callable[[Mapping[str, Any]], Letters],
    tells_time: bool,  # noqa: FBT001  (drawn)
    body_kinds: list[str],
) -> None:
    """Of whatever age and kind, while everything comes back."""
    aws = FakeAws()
    aws.sqs.die_again, aws.sqs.dies_after, aws.sqs.tells_time = again, dies_after, tells_time
    for n, age_ms in enumerate(ages_ms):
        bodies = {
            "event": make_body(make_event(insert_id=f"x{n}")),
            "two events": make_body(make_event(insert_id=f"x{n}"), make_event(insert_id=f"y{n}")),
            "text": f"no JSON {n}",
            "no event": json.dumps({"events": [{"n": n}]}),
        }
        aws.sqs.bury(f"id-{n}", bodies[body_kinds[n % len(body_kinds)]], sent_ms=OPENED_MS - age_ms)
    before = Counter(dead_letter["Body"] for dead_letter in aws.sqs.messages.values())

    report = redrive(aws)

    assert Counter(entry["MessageBody"] for entry in aws.sqs.sent) == before
    assert report.sent == len(ages_ms)


def test_the_command_says_what_came_back_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And how far it is, in lines, where stderr is no terminal."""
    aws = buried(509)
    aws.sqs.die_again = event_by_event
    monkeypatch.setattr(stack_options, "connect", lambda _: (aws, STACK))
    urls = ["--queue-url", LIVE, "--dead-letter-queue-url", DEAD, "--log-table", "Log"]

    code = main(["redrive", "--reason", "rejected", *urls])

    out, err = capsys.readouterr()
    assert code == 1
    assert "Inspected 509 dead letters: 509 matched, 509 sent.\nCame back, still failing: 509. " in out
    lines = err.splitlines()
    assert lines[0].startswith("10 of 509 dead letters inspected")
    assert 5 <= len(lines) <= 15
    assert "came_back" in aws.dynamodb.updates[-1]["ExpressionAttributeNames"].values()


def test_an_export_and_a_rebuild_leave_what_comes_later(tmp_path: Any) -> None:
    """They tell how many there were, and hold what was there when they began."""
    aws = buried(25)

    def add(name: str) -> None:
        if name == "receive":
            aws.sqs.now_ms += 60_000
            aws.sqs.born += 1
            aws.sqs.bury(f"new-{aws.sqs.born}", f"{aws.sqs.born}", sent_ms=aws.sqs.now_ms - 1)
            aws.sqs.before = add if aws.sqs.born % 5 else lambda _: None

    queue, log = DeadLetterQueue(aws.sqs, DEAD), LogTable(FakeDynamoDb(), "Log")
    told: list[tuple[int, int]] = []
    aws.sqs.before = add
    exported = export(queue, tmp_path / "x", stop=Stop(), progress=lambda *so_far: told.append(so_far))
    aws.sqs.before = add
    rebuilt = rebuild(queue, log, stop=Stop(), now_ms=NOW_MS)

    assert exported == {"letters": 25, "arrived_since": 5}
    assert len((tmp_path / "x").read_text().splitlines()) == 25
    assert told[-1] == (25, 25)
    assert (rebuilt["letters"], rebuilt["arrived_since"], rebuilt["cut_short"]) == (30, 5, 0)
