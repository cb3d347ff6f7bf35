"""Faulty settings: nothing is lost, everything is named at once, and no value is shown."""

import logging
import os
from typing import Any

import pytest

import handler
from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_raw, make_record, sqs_event
from tests.integration.delivery.function import SHORT_S, Context, Function, counted, records_of, sent
from whyness_events.delivery.reading.sqs_event import InvocationFault
from whyness_events.delivery.settings import read_settings

SHOWN = "SHOWN"
FAULTS = {
    "MIXPANEL_PROJECT_ID": ["", "Whyness", "12 3", "-1", "\uff11\uff12", SHOWN],
    "MIXPANEL_REGION": ["US", "asia", SHOWN],
    "MIXPANEL_API_URL": [
        "http://api.mixpanel.com",
        "ftp://127.0.0.1",
        "api.mixpanel.com",
        "https://",
        "https://[SHOWN",
        "https://127.0.0.1:port",
        f"http://{SHOWN}",
        f"http://127.0.0.1@{SHOWN}",
    ],
    "MIXPANEL_IDENTITY": ["original", "Simplified", SHOWN],
    "MIXPANEL_NAMES": ["library", "Browser", SHOWN],
    "QUEUE_URL": ["events", SHOWN],
    "DEAD_LETTER_QUEUE_URL": ["", "events-dead", SHOWN],
    "LOG_TABLE_NAME": [""],
    "MAX_RECEIVE_COUNT": ["0", "1001", "many", "nan", "2.5", SHOWN],
    "SENDER_THREADS": ["0", "21", "four", "nan", "inf", "2.5", "1e1", SHOWN],
    "ANSWER_TIMEOUT_S": ["0", "301", "-1", "nan", "inf", "soon", SHOWN],
}
CASES = [(name, value) for name, values in FAULTS.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_each_faulty_variable_is_named_and_everything_stays(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, name: str, value: str
) -> None:
    """The handler returns all records in time, names the variable, and changes nothing."""
    _, records = records_of(2)
    function.set(**{name: value})

    invocation = function.invoke(*records, make_record("not JSON"))

    assert len(invocation.failed_ids) == 3
    assert invocation.outcomes == {"setup": 3}
    assert name in invocation.details["setup"]
    assert SHOWN not in invocation.details["setup"]
    assert mixpanel.stats()["requests"] == 0
    assert aws.calls == []


def test_all_faults_are_named_together(function: Function) -> None:
    """One log line names all variables that are wrong."""
    function.set(**{name: values[0] for name, values in FAULTS.items()})

    invocation = function.invoke(*records_of(1)[1])

    assert [name for name in FAULTS if name not in invocation.details["setup"]] == []


@pytest.mark.parametrize("account", ["", "account"])
def test_neither_a_secret_nor_both_variables_is_a_fault(function: Function, account: str) -> None:
    """An account without its password is not enough."""
    function.set(MIXPANEL_SECRET_ARN="", MIXPANEL_SERVICE_ACCOUNT=account)

    invocation = function.invoke(*records_of(1)[1])

    assert "MIXPANEL_SECRET_ARN" in invocation.details["setup"]
    assert len(invocation.failed_ids) == 1


def test_fixed_settings_are_used_by_the_next_invocation(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """A container reads faulty settings again at each invocation."""
    events, records = records_of(2)
    function.set(SENDER_THREADS="0")
    function.invoke(*records)
    function.set(SENDER_THREADS="4")

    invocation = function.invoke(*records)

    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(events)


def test_no_setting_shows_in_the_settings_own_text(function: Function) -> None:
    """Printing the settings by mistake does not print the password."""
    function.set(MIXPANEL_SERVICE_ACCOUNT=SHOWN, MIXPANEL_SERVICE_PASSWORD=SHOWN)
    settings = read_settings(os.environ)

    texts = [repr(settings), str(settings), f"{settings}"]

    assert settings.password == SHOWN
    assert [text for text in texts if SHOWN in text] == []


FOREIGN: list[Any] = [None, [], {}, {"Records": None}, {"Records": {}}, {"records": []}, "event", 7]


@pytest.mark.parametrize("event", FOREIGN, ids=repr)
def test_an_event_that_is_not_from_sqs_is_an_error_not_an_empty_answer(
    function: Function, event: object
) -> None:
    """An empty answer would acknowledge whatever it was."""
    assert function.environment

    with pytest.raises(InvocationFault):
        handler.handler(event, Context(SHORT_S))


@pytest.mark.parametrize("message_id", [None, "", 7, "missing"], ids=repr)
def test_a_record_without_a_message_id_brings_all_records_back(
    function: Function, mixpanel: MixpanelSimulator, message_id: object
) -> None:
    """It could not be named in the answer, so nothing is answered: Lambda then retries every record."""
    assert function.environment
    event = sqs_event(*records_of(2)[1])
    event["Records"][1]["messageId"] = message_id
    if message_id == "missing":
        del event["Records"][1]["messageId"]

    with pytest.raises(InvocationFault):
        handler.handler(event, Context(SHORT_S))

    assert mixpanel.events() == []


@pytest.mark.parametrize("attributes", [None, {}, {"ApproximateReceiveCount": "many"}, "text"], ids=repr)
def test_odd_attributes_of_a_record_stop_nothing(
    function: Function, mixpanel: MixpanelSimulator, attributes: object
) -> None:
    """They are only used for ages and backoff."""
    assert function.environment
    events, records = records_of(1)
    event = sqs_event(*records)
    event["Records"][0]["attributes"] = attributes

    answer = handler.handler(event, Context(SHORT_S))

    assert answer == {"batchItemFailures": []}
    assert counted(mixpanel) == sent(events)


@pytest.mark.parametrize("body", [None, 7, {}, ""], ids=repr)
def test_a_record_without_a_body_is_never_acknowledged(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, body: object
) -> None:
    """SQS refuses an empty dead letter, so the record is not safe; its neighbours are."""
    assert function.environment
    events, records = records_of(1)
    bad, other = make_record("x"), make_record("{}")
    event = sqs_event(bad, *records, other)
    event["Records"][0]["body"] = body

    answer = handler.handler(event, Context(SHORT_S))

    assert answer == {"batchItemFailures": [{"itemIdentifier": bad.message_id}]}
    assert counted(mixpanel) == sent(events)
    assert [dead_letter.body for dead_letter in aws.dead_letters] != []


def test_no_records_are_no_failures(function: Function) -> None:
    """An empty list is answered with an empty list."""
    invocation = function.invoke()

    assert invocation.failed_ids == []


def test_a_bug_of_ours_raises_without_the_text_of_the_event(
    function: Function, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in the core brings every record back; its own text may hold payload and goes nowhere."""
    function.invoke()
    caplog.set_level(logging.DEBUG)

    def fail(*_: object, **__: object) -> None:
        raise ValueError(SHOWN)

    monkeypatch.setattr("whyness_events.delivery.deliver.batches", fail)

    with pytest.raises(InvocationFault) as raised:
        function.invoke(make_record(str(make_raw())))

    assert SHOWN not in str(raised.value)
    assert SHOWN not in caplog.text
