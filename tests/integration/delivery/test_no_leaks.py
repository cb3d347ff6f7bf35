"""Markers in everything personal or secret: they reach Mixpanel and the dead letters' bodies, no more."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from tests.aws_stub import GET_SECRET, SECRET_ARN, SEND, WRITE, AwsError, AwsStub, always
from tests.builders import large_properties, make_body, make_record
from tests.integration.delivery.function import environment_of, recent_event, recent_sqs_event
from tests.integration.delivery.lambda_process import BUGS, ProcessRun, run_lambda
from tests.loopback import GARBAGE, LoopbackServer, Request, Response, Trouble
from tests.wire import accept, events_of
from whyness_events import Event

MARK = "XLEAKX"
IP = "8.8.73.91"
ACCOUNT, PASSWORD = f"{MARK}account", f"{MARK}password"
SECRET = json.dumps({"account": ACCOUNT, "password": PASSWORD})
HIDDEN = re.compile(
    "|".join(
        [
            GARBAGE.decode(),
            f"{MARK}\\w*",
            re.escape(IP),
            base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode(),
        ]
    )
)


def marked_event(scenario: str, **fields: Any) -> Event:
    """Return a valid event with markers wherever a person's data can stand; `data` says what to answer."""
    marked = {
        "user": f"{MARK}user",
        "ip": IP,
        "useragent": f"Mozilla/5.0 ({MARK}agent)",
        "data": f"{scenario} {MARK}data",
        "prospect": f"{MARK}prospect",
        "properties": {f"{MARK}name": f"{MARK}value", "nested": [{f"{MARK}inner": f"{MARK}deep"}]},
    }
    return recent_event(**{**marked, **fields})


# --- what Mixpanel, or something in between, answers; all of it quotes what it was sent

QUOTING = f"'properties.{MARK}name' is invalid: '{MARK}value' of \"{MARK}user\" at `{IP}`"


def named(index: int = 0, imported: int = 0, message: str = QUOTING) -> Response:
    """Return a 400 that names one event and quotes it."""
    entry = {"index": index, "field": f"properties.{MARK}name", "message": message}
    return as_json(400, {"error": QUOTING, "num_records_imported": imported, "failed_records": [entry]})


def as_json(status: int, body: object) -> Response:
    """Return an answer with a JSON body."""
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


ANSWERS: dict[str, Response | Trouble | Callable[[Request], Response]] = {
    "accept": accept,
    "named": named(),
    "contradiction": named(imported=1),
    "another's name": named(index=7),
    "text": as_json(400, {"num_records_imported": 0, "failed_records": [QUOTING]}),
    "html": Response(200, f"<p>{QUOTING}</p>".encode()),
    "cut": Response(200, f'{{"{MARK}'.encode()),
    "reset": Trouble.RESET,
    "garbage": Trouble.GARBAGE,
    "hang": Trouble.HANG,
    **{
        str(status): as_json(status, {"error": QUOTING, "status": QUOTING})
        for status in (302, 400, 401, 403, 404, 413, 429, 500, 503)
    },
}


def answer(request: Request) -> Response | Trouble:
    """Answer what the first event asks for."""
    scenario = events_of(request)[0]["properties"]["data"].partition(f" {MARK}")[0]
    found = ANSWERS[scenario]
    return found(request) if callable(found) else found


# --- what is dead or unreadable before it gets there


def bad_bodies() -> Iterable[str]:
    """Return bodies that are refused here, each with a marker in what is wrong and around it."""
    bad_fields: list[dict[str, object]] = [
        {"insert_id": f"{MARK}id!"},
        {"insert_id": {MARK: MARK}},
        {"insert_id": f"{MARK}-{'x' * 40}"},
        {"event": f"{MARK}{'x' * 300}"},
        {"event": [MARK]},
        {"event": f"{MARK}\ud800"},
        {"user": f"$device:{MARK}"},
        {"user": f"{MARK}{'x' * 300}"},
        {"user": {MARK: 1}},
        {"time": MARK},
        {"time": -1},
        {"ip": {MARK: MARK}, "time": 1.5},
        {"useragent": [MARK]},
        {"data": [MARK]},
        {"data": {"a": {"b": {"c": {MARK: MARK}}}}},
        {"prospect": {MARK: MARK}},
        {"properties": MARK},
        {"properties": {f"${MARK}": 1}},
        {"properties": {f"{MARK}\udfff": 1}},
        {"properties": {MARK: [f"{MARK}{'x' * 9_000}"]}},
        {"properties": {f"{MARK}{number}": number for number in range(300)}},
        {"data": f"{MARK}{'x' * 1_000}", "properties": {MARK: MARK, **large_properties(1_000_000)}},
    ]
    for fields in bad_fields:
        named_by_marker = {"event": f"{MARK}event", **marked_event("accept").to_wire(), **fields}
        neighbour = marked_event("accept").to_wire()
        yield json.dumps({"events": [named_by_marker, neighbour], MARK: MARK})
    yield f"{MARK} is not JSON"
    yield f'{{"{MARK}": "{MARK}"'
    yield json.dumps(MARK)
    yield json.dumps([MARK])
    yield json.dumps({"schema_version": MARK, "events": [MARK]})
    yield json.dumps({"identity": MARK, "events": [MARK]})
    yield json.dumps({"events": MARK})
    yield json.dumps({"events": [MARK, {MARK: MARK}, None, [MARK]]})
    yield json.dumps({"schema_version": 99, MARK: MARK})
    yield f'{{"{MARK}":' + '{"a":' * 10_000 + "1" + "}" * 10_001


def all_events() -> list[dict[str, Any]]:
    """Return invocations that between them meet every outcome."""
    answered = [
        [make_record(marked_event(name)), make_record(marked_event("accept"), receive_count=3)]
        for name in ANSWERS
    ]
    return [
        recent_sqs_event(*records) for records in [*answered, [make_record(body) for body in bad_bodies()]]
    ]


# --- where nothing of it may be


def visible_in(aws: AwsStub, run: ProcessRun) -> str:
    """Return all that anybody could read, but for the bodies of dead letters."""
    attributes = [
        entry.get("MessageAttributes")
        for operation, payload in aws.calls
        if operation == SEND
        for entry in payload["Entries"]
    ]
    rows = [payload for operation, payload in aws.calls if operation == WRITE]
    return "\n".join([run.output, json.dumps([attributes, rows, run.answers], ensure_ascii=False)])


def leaks(aws: AwsStub, run: ProcessRun) -> set[str]:
    """Return the markers found where none may be."""
    return set(HIDDEN.findall(visible_in(aws, run)))


def environment(aws: AwsStub, url: str, **changes: str) -> Mapping[str, str]:
    """Return the variables of a function whose secret is marked."""
    aws.secrets[SECRET_ARN] = SECRET
    return {**environment_of(aws, url), "ANSWER_TIMEOUT_S": "0.5", **changes}


@pytest.mark.parametrize("log_level", ["INFO", "DEBUG"])
def test_nothing_personal_or_secret_is_visible_in_any_outcome(aws: AwsStub, log_level: str) -> None:
    """Logs, metrics, Log rows, attributes and answers hold no marker, however much others quote."""
    requests: list[Request] = []

    def serve(request: Request) -> Response | Trouble:
        requests.append(request)
        return answer(request)

    with LoopbackServer(serve) as server:
        run = run_lambda(
            all_events(),
            environment(aws, server.url),
            timeout_s=5,
            log_level=log_level,
        )

    assert leaks(aws, run) == set()
    # The markers did travel where they belong: otherwise this test would prove nothing.
    assert MARK in json.dumps([events_of(request) for request in requests])
    assert any(MARK in dead_letter.body for dead_letter in aws.dead_letters)
    assert None not in run.answers
    reasons = set(re.findall(r'"reason":"(\w+)"', run.output))
    assert reasons == {"delivered", "rejected", "oversized", "unreadable", "retry", "throttled", "setup"}


QUOTES = {
    "a name with a blank": "properties.{0} {0} is invalid: string should be valid utf8",
    "a quoted name with a blank": "'properties.{0} {0}' is invalid: must not be null",
    "a quote that never ends": 'properties.plan is invalid: "{0} is no plan',
    "a quote in a quote": "properties.plan is invalid: '{0}it's {0}' is no plan",
    "typographic quotes": "properties.plan is invalid: “{0}” is no plan",
    "two lines": "properties.plan is invalid: '{0}'\n'{0}'",
    "a long text": f"{'x' * 180} '{{0}}' is cut in mid-quote",
}


def test_mixpanels_own_words_show_no_value_and_no_name(aws: AwsStub) -> None:
    """What Mixpanel quotes is masked, and so is the path of a caller's property, blanks and all."""
    markers = {f"{MARK}{at}x": name for at, name in enumerate(QUOTES)}
    events = [recent_sqs_event(make_record(marked_event(marker))) for marker in markers]

    def serve(request: Request) -> Response:
        marker = events_of(request)[0]["properties"]["data"].partition(" ")[0]
        return named(message=QUOTES[markers[marker]].format(marker))

    with LoopbackServer(serve) as server:
        run = run_lambda(events, environment(aws, server.url))

    assert {markers[found] for found in leaks(aws, run)} == set()
    assert aws.reasons == ["rejected"] * len(QUOTES)


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_shows_its_place_and_not_the_event(aws: AwsStub, bug: str) -> None:
    """An exception whose text holds the event brings it back to the queue and shows none of it."""
    record = make_record(marked_event("accept"))

    with LoopbackServer(accept) as server:
        run = run_lambda([recent_sqs_event(record)], environment(aws, server.url), bug=bug, timeout_s=5)

    assert leaks(aws, run) == set()
    assert "ValueError" in run.output
    assert run.answers in ([None], [{"batchItemFailures": [{"itemIdentifier": record.message_id}]}])
    assert aws.dead_letters == []


@pytest.mark.parametrize(
    ("secret", "found"),
    [
        (f"{MARK} no JSON", None),
        (json.dumps({"account": MARK}), None),
        (SECRET, None),
        (SECRET, AwsError("AccessDeniedException", f"{MARK}secret")),
    ],
    ids=["no JSON", "no password", "refused by Mixpanel", "refused by AWS"],
)
def test_the_secret_shows_nowhere_even_if_it_is_faulty(
    aws: AwsStub, secret: str, found: AwsError | None
) -> None:
    """Neither a parser's nor AWS's words about it are passed on."""
    if found:
        aws.scripts[GET_SECRET] = always(found)
    with LoopbackServer(lambda _: as_json(401, {"error": f"no account {ACCOUNT}"})) as server:
        variables = environment(aws, server.url)
        aws.secrets[SECRET_ARN] = secret
        run = run_lambda([recent_sqs_event(make_record(recent_event()))], variables)

    assert leaks(aws, run) == set()
    assert '"reason":"setup"' in run.output


def test_aws_errors_that_quote_the_payload_are_not_passed_on(aws: AwsStub) -> None:
    """Queue and table refuse and quote what they got: the output says only that they refused."""
    quoting = AwsError("ValidationException", f"{MARK}value of {MARK}user")
    aws.scripts[SEND] = always(quoting)
    bad = make_record(make_body({**marked_event("accept").to_wire(), "time": MARK}))
    waiting = make_record(marked_event("503"))
    events = [recent_sqs_event(bad)]

    with LoopbackServer(answer) as server:
        variables = environment(aws, server.url)
        run = run_lambda([*events, recent_sqs_event(waiting)], variables, timeout_s=5)
        aws.scripts = {WRITE: always(quoting)}
        later = run_lambda(events, variables)

    assert leaks(aws, run) | leaks(aws, later) == set()
    assert later.answers == [{"batchItemFailures": []}]


def test_faulty_settings_show_no_value(aws: AwsStub) -> None:
    """A password pasted into the wrong variable is not repeated in a log line."""
    names = (
        "PROJECT_ID",
        "REGION",
        "API_URL",
        "IDENTITY",
        "SERVICE_ACCOUNT",
        "SERVICE_PASSWORD",
        "SECRET_ARN",
    )
    variables = {f"MIXPANEL_{name}": f"{MARK}{name}" for name in names}
    others = dict.fromkeys(("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "SENDER_THREADS", "ANSWER_TIMEOUT_S"), MARK)

    run = run_lambda(
        [recent_sqs_event(make_record(recent_event()))],
        environment(aws, "http://127.0.0.1", **variables, **others),
    )

    assert leaks(aws, run) == set()
    assert "SENDER_THREADS" in run.output
