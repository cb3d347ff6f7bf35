"""The Lambda's entry: from an SQS event to a partial batch response that never acknowledges by accident."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

import handler
from tests.builders import make_body, make_event, make_raw, make_record, sqs_event
from tests.responders import LOST, decline_any_of
from tests.world import World
from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.deliver import Deliverer
from whyness_events.delivery.reading.sqs_event import InvocationFault
from whyness_events.delivery.settings import SETTINGS, SettingsFault, read_settings

MARKER = "Confidential7f3a"
ROOT = Path(__file__).parents[2]


@dataclass
class Context:
    """Lambda's context of an invocation."""

    aws_request_id: str = "run-1"
    function_name: str = "send_events"
    remaining_ms: int = 120_000

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return self.remaining_ms


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Put fakes behind the handler, as a container whose settings are sound."""
    made = World()
    parts = handler.Container(made.deliverer, made.pool)  # type: ignore[arg-type]  # a fake pool
    container = lru_cache(lambda: parts)
    container()
    monkeypatch.setattr(handler, "container", container)
    monkeypatch.setattr(handler, "clock", made.clock)
    return made


@pytest.fixture
def without_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away every variable that the function reads."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    handler.container.cache_clear()
    yield
    handler.container.cache_clear()


def failures(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the message ids in a partial batch response, which holds nothing else."""
    assert list(answer) == ["batchItemFailures"]
    assert all(list(failure) == ["itemIdentifier"] for failure in answer["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_container_ends_each_client_that_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not among them keeps connections over a freeze, and what AWS refused is not told."""
    made: list[LazyClient] = []

    def make(service: str) -> LazyClient:
        made.append(LazyClient(service))
        return made[-1]

    monkeypatch.setattr(handler, "LazyClient", make)
    needed = {"MIXPANEL_PROJECT_ID": "1", "MIXPANEL_SECRET_ARN": "arn", "LOG_TABLE_NAME": "log"}
    urls = dict.fromkeys(("QUEUE_URL", "DEAD_LETTER_QUEUE_URL"), "http://127.0.0.1/queue")

    container = handler.build(read_settings(needed | urls))

    assert made
    assert list(container.aws) == made


# --- the answer


def test_answer_names_exactly_the_records_that_are_not_safe(world: World) -> None:
    """Delivered and dead-lettered records are deleted by Lambda; the others it brings back."""
    lost = make_event()
    world.respond = decline_any_of([lost.insert_id], LOST)
    records = [make_record(), make_record("no JSON"), make_record(make_body(lost), receive_count=3)]

    answer = handler.handler(sqs_event(*records), Context())

    assert failures(answer) == [records[2].message_id]
    assert len(world.dead_letters.sent) == 1


def test_answer_is_never_none(world: World) -> None:
    """An empty answer says "all done" and nothing else may."""
    done = handler.handler(sqs_event(make_record()), Context())
    nothing = handler.handler({"Records": []}, Context())

    assert done == nothing == {"batchItemFailures": []}
    assert len(world.delivered_ids) == 1


def test_receive_count_and_age_come_from_the_attributes(world: World) -> None:
    """They decide which records share a request, and are in the Log."""
    fresh, troubled = make_record(), make_record("no JSON", receive_count=12, sent_ms=1_794_000_000_000)

    handler.handler(sqs_event(fresh, troubled), Context())

    (row,) = world.log.rows.values()
    assert (row["attempts"], row["first_failed_at"]) == (12, 1_794_000_000_000)


@pytest.mark.parametrize(
    "value", [None, "", "many", "-1", "1.5", "\N{ARABIC-INDIC DIGIT SEVEN}", 7, [], "x" * 99]
)
def test_attributes_that_cannot_be_read_harm_nobody(world: World, value: object) -> None:
    """Attributes that SQS would never send are taken as a first receive of unknown age."""
    event = sqs_event(make_record())
    event["Records"][0]["attributes"] = {"ApproximateReceiveCount": value, "SentTimestamp": value}

    answer = handler.handler(event, Context())

    assert failures(answer) == []
    assert len(world.delivered_ids) == 1


@pytest.mark.parametrize("attributes", [None, [], "x", 7])
def test_attributes_of_another_shape_harm_nobody(world: World, attributes: object) -> None:
    """A record is its id and its body."""
    event = sqs_event(make_record())
    event["Records"][0]["attributes"] = attributes

    assert failures(handler.handler(event, Context())) == []
    assert len(world.delivered_ids) == 1


# --- the log


def not_delivered(caplog: pytest.LogCaptureFixture) -> dict[str, tuple[list[str], list[str]]]:
    """Return the ids in the log lines, by reason."""
    found = [vars(record) for record in caplog.records if record.message == "not delivered"]
    return {line["reason"]: (line["message_ids"], line["insert_ids"]) for line in found}


def test_an_event_before_its_time_is_no_warning(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged at INFO, not as a warning."""
    early = make_event(time=int(world.clock.now_s() * 1000) + 60_000)

    with caplog.at_level("INFO"):
        handler.handler(sqs_event(make_record(early), make_record("no JSON")), Context())

    lines = {vars(line)["reason"]: line for line in caplog.records if line.message == "not delivered"}
    assert {reason: line.levelname for reason, line in lines.items()} == {
        "early": "INFO",
        "unreadable": "WARNING",
    }


def test_log_names_up_to_five_records_and_events_of_each_outcome(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """With them a person finds the events that a line is about, and no line grows with an outage."""
    lost = [make_event() for _ in range(4)]
    world.respond = decline_any_of([lost[0].insert_id], LOST)
    waiting = [make_record(make_body(*lost), receive_count=3), make_record("no JSON")]
    bad = [make_record(json.dumps(make_raw(time=1, insert_id=f"bad-{n}"))) for n in range(9)]

    handler.handler(sqs_event(*waiting, *bad), Context())

    assert not_delivered(caplog) == {
        "retry": ([waiting[0].message_id], [event.insert_id for event in lost]),
        "unreadable": ([waiting[1].message_id], []),
        "rejected": ([record.message_id for record in bad[:5]], [f"bad-{n}" for n in range(5)]),
    }


@pytest.mark.parametrize("insert_id", ["a_b", MARKER * 9, f"{MARKER} ", "null", "\n", 7, None, {}, [MARKER]])
@pytest.mark.parametrize("makes_body", [json.dumps, make_body])
def test_log_names_no_insert_id_that_is_not_valid(
    world: World, caplog: pytest.LogCaptureFixture, insert_id: object, makes_body: Callable[[Any], str]
) -> None:
    """The publisher chose its text, so it is not logged."""
    handler.handler(sqs_event(make_record(makes_body(make_raw(insert_id=insert_id)))), Context())

    assert world.delivered_ids == []
    assert [insert_ids for _, insert_ids in not_delivered(caplog).values()] == [[]]


@pytest.mark.usefixtures("without_settings")
def test_log_names_records_that_faulty_settings_keep(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was read, so there are no insert ids."""
    records = [make_record() for _ in range(7)]

    handler.handler(sqs_event(*records), Context())

    assert not_delivered(caplog) == {"setup": ([record.message_id for record in records[:5]], [])}


# --- never acknowledged by accident


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "Records",
        7,
        {},
        {"records": []},
        {"Records": None},
        {"Records": {}},
        {"Records": "x"},
        {"Records": 1},
    ],
    ids=repr,
)
def test_event_that_is_no_sqs_event_is_raised(world: World, event: object) -> None:
    """There is no record to answer for, so Lambda must retry the event."""
    with pytest.raises(InvocationFault):
        handler.handler(event, Context())

    assert world.pool.posted == []


@pytest.mark.parametrize("record", [None, [], "x", 7, {}, {"body": "{}"}], ids=repr)
def test_record_that_is_none_is_raised(world: World, record: object) -> None:
    """A record without an id cannot be named in the answer, and unnamed would mean done."""
    event = sqs_event(make_record())
    event["Records"].append(record)

    with pytest.raises(InvocationFault):
        handler.handler(event, Context())

    assert world.pool.posted == []


@pytest.mark.parametrize("message_id", [None, "", 7, [], {}, True], ids=repr)
def test_record_without_a_usable_id_is_raised(world: World, message_id: object) -> None:
    """An empty or unknown id in the answer would bring back everything anyway, after the work was done."""
    event = sqs_event(make_record(), make_record())
    event["Records"][1]["messageId"] = message_id

    with pytest.raises(InvocationFault):
        handler.handler(event, Context())

    assert world.pool.posted == []


@pytest.mark.parametrize("body", [None, "", 7, {}, [], b"{}"], ids=repr)
def test_record_without_a_body_comes_back_alone(world: World, body: object) -> None:
    """SQS knows no empty message, so that it cannot be dead-lettered: it is kept, its neighbours are done."""
    event = sqs_event(make_record(), make_record())
    event["Records"][0]["body"] = body

    answer = handler.handler(event, Context())

    assert failures(answer) == [event["Records"][0]["messageId"]]
    assert len(world.delivered_ids) == 1


def test_record_without_the_key_body_comes_back_alone(world: World) -> None:
    """It is handled like one with an empty body."""
    event = sqs_event(make_record(), make_record())
    del event["Records"][0]["body"]

    assert failures(handler.handler(event, Context())) == [event["Records"][0]["messageId"]]
    assert len(world.delivered_ids) == 1


# --- our own faults


def _bug(*_: object, **__: object) -> NoReturn:
    raise RuntimeError(f"cannot handle {MARKER}")


@pytest.mark.parametrize("where", ["pool.submit", "pool.wait", "dead_letters.send", "log.write"])
def test_bug_in_the_core_brings_everything_back_without_showing_anything(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Lambda prints what is raised: it names type and place of the bug, never what the bug was about."""
    part, method = where.split(".")
    monkeypatch.setattr(getattr(world, part), method, _bug)
    records = [make_record(make_body(make_event(data=MARKER))), make_record(MARKER)]

    with pytest.raises(InvocationFault) as raised:
        handler.handler(sqs_event(*records), Context())

    printed = "".join(traceback.format_exception(raised.value))
    assert "RuntimeError" in str(raised.value)
    assert "test_handler.py" in str(raised.value)
    assert raised.value.__cause__ is None
    assert MARKER not in printed


def test_connections_are_cut_whatever_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request in flight outlives its invocation, not even after a bug."""
    monkeypatch.setattr(world.pool, "wait", _bug)

    with pytest.raises(InvocationFault):
        handler.handler(sqs_event(make_record()), Context())

    assert world.pool.abandoned == [1]


def test_container_works_on_after_a_bug(world: World) -> None:
    """The next invocation is not the victim of the last one."""
    send, world.dead_letters.send = world.dead_letters.send, _bug  # type: ignore[method-assign]  # for one invocation
    records = [make_record(), make_record("no JSON")]
    with pytest.raises(InvocationFault):
        handler.handler(sqs_event(*records), Context())
    world.dead_letters.send = send  # type: ignore[method-assign]  # repaired

    answer = handler.handler(sqs_event(*records), Context())

    assert failures(answer) == []


# --- settings


@pytest.mark.usefixtures("without_settings")
def test_faulty_settings_bring_everything_back() -> None:
    """The function answers for each record, though it cannot even be built."""
    records = [make_record(), make_record("no JSON")]

    answer = handler.handler(sqs_event(*records), Context())

    assert failures(answer) == [record.message_id for record in records]


@pytest.mark.usefixtures("without_settings")
def test_settings_are_read_again_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that began with faulty settings is not lost for good."""
    with pytest.raises(SettingsFault):
        handler.container()
    sound = {
        "MIXPANEL_PROJECT_ID": "1",
        "MIXPANEL_SERVICE_ACCOUNT": "account",
        "MIXPANEL_SERVICE_PASSWORD": "password",
        "QUEUE_URL": "http://127.0.0.1/events",
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/dead",
        "LOG_TABLE_NAME": "log",
    }
    for name, value in sound.items():
        monkeypatch.setitem(os.environ, name, value)

    first, second = handler.container(), handler.container()

    assert first is second


# --- time


@pytest.mark.parametrize("remaining_ms", [120_000, 30_000, 3_000, 0])
@pytest.mark.usefixtures("world")
def test_handler_answers_before_lambda_stops_it(monkeypatch: pytest.MonkeyPatch, remaining_ms: int) -> None:
    """The deadline is a little before Lambda's, so that there is time to answer."""
    seen: list[float] = []
    deliver = Deliverer.deliver

    def noting(*args: Any, deadline_s: float, **kwargs: Any) -> Any:
        seen.append(deadline_s)
        return deliver(*args, deadline_s=deadline_s, **kwargs)

    monkeypatch.setattr(Deliverer, "deliver", noting)

    handler.handler(sqs_event(make_record()), Context(remaining_ms=remaining_ms))

    assert 0.97 * remaining_ms / 1_000 <= seen[0] <= 0.99 * remaining_ms / 1_000


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, []),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}, ["ua_parser"]),
        (
            {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "MIXPANEL_SECRET_ARN": "arn"},
            ["boto3", "ua_parser"],
        ),
    ],
)
def test_what_takes_long_is_made_while_lambda_starts(environment: dict[str, str], found: list[str]) -> None:
    """Lambda then gives a whole CPU; elsewhere an import of the handler brings no more than it must."""
    code = "import sys, handler; print(sorted({'boto3', 'ua_parser'} & set(sys.modules)))"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MIXPANEL_"))}
    clean |= {"PYTHONPATH": str(ROOT / "functions/send_events")}

    done = subprocess.run(  # noqa: S603  (our own)
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(found)
