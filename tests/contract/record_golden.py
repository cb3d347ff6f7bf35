"""Writes what the code on PYTHONPATH writes for the versions after it: the files of `skew/golden.py`.

Usage, in a checkout of the version to record: PYTHONPATH=functions/send_events:. python PATH/TO/THIS FOLDER
"""

import base64
import io
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from local.emulator import Account, Emulator
from local.resources import Resources, create_resources
from local.template import Template
from tests.loopback import LoopbackServer, Request, Response
from tests.wire import events_of, imported

NOW_MS = 1_795_000_000_000
TIME_MS = NOW_MS - 60_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
LEASE_ENDS, LATER = NOW + timedelta(minutes=2), NOW + timedelta(hours=1)
LONG_AGO_MS = NOW_MS - 73 * 3_600_000
SUM_LIMIT_BYTES = 1_048_576  # of a message, attributes included
DEDUPLICATION = {"insert_id": "edited", "event": "Edited", "user": "edited", "time": NOW_MS - 3_600_000}
# A longer text is written compressed: some fill a whole message.
_LONG_CHARACTERS = 4_000
_MOST_INVOCATIONS = 15
_INVOCATION_S = 5.0


def raw(insert_id: str, **fields: Any) -> dict[str, Any]:
    """Return an event as JSON data."""
    return {"insert_id": insert_id, "event": "Audio upload", "user": "123", "time": TIME_MS, **fields}


def envelope(*raws: Any, identity: str = "distinct_id", **fields: Any) -> str:
    """Return a message body."""
    return json.dumps({"schema_version": 1, "identity": identity, **fields, "events": raws})


def _filling(size_bytes: int) -> dict[str, list[str]]:
    """Return properties of about so many bytes, none of which is too large itself."""
    return {f"part{n}": ["x" * 27] * 200 for n in range(size_bytes // 6_000 + 1)}


def _named(events: list[dict[str, Any]]) -> Response:
    entries = [{"index": n, "insert_id": e["properties"]["$insert_id"]} for n, e in enumerate(events)]
    failed = [
        {**entry, "field": "properties.time", "message": "'properties.time' is invalid"}
        for entry, event in zip(entries, events, strict=True)
        if event["event"] == "Named"
    ]
    body = {"code": 400, "num_records_imported": len(events) - len(failed), "failed_records": failed}
    return Response(400, json.dumps({**body, "status": "Bad Request"}).encode())


# What Mixpanel, or a proxy, says to a request with an event of this name.
REFUSALS: dict[str, Callable[[list[dict[str, Any]]], Response]] = {
    "Named": _named,
    "Forbidden": lambda _: Response(403),
    "Unexplained": lambda _: Response(400, b"{}"),
    "Too large": lambda _: Response(413),
    "Unavailable": lambda _: Response(503),
    "Throttled": lambda _: Response(429, headers={"Retry-After": "600"}),
    "Unauthorized": lambda _: Response(401),
}
# By name: the body, and what differs in its record.
DEAD: dict[str, tuple[str, dict[str, Any]]] = {
    "rejected-by-a-rule": (envelope(raw("rejected-by-a-rule", properties={"$reserved": 1})), {}),
    "rejected-by-name": (envelope(raw("rejected-by-name", event="Named")), {}),
    "refused-alone-403": (envelope(raw("refused-alone-403", event="Forbidden", user="p:45")), {}),
    "refused-alone-400": (envelope(raw("refused-alone-400", event="Unexplained")), {}),
    "oversized-by-413": (
        envelope(raw("oversized-by-413", event="Too large", properties=_filling(120_000))),
        {},
    ),
    "oversized-by-a-rule": (
        envelope(raw("oversized-by-a-rule", properties=_filling(1_000_000))),
        {},
    ),
    "unreadable-event": (envelope({"insert_id": "unreadable-event", "event": "Audio upload"}), {}),
    "one-of-several": (
        envelope(
            raw("neighbour"), raw("one-of-several", user="p:45", time=-1), identity="simplified", origin="x"
        ),
        {},
    ),
    "exhausted": (envelope(raw("exhausted", event="Unavailable")), {"sent_ms": LONG_AGO_MS}),
    "exhausted-by-setup": (envelope(raw("exhausted-by-setup", event="Unauthorized")), {"receive_count": 990}),
    "whole-body": (envelope(raw("whole-body", properties={"number": 424242})).replace("424242", "1e999"), {}),
    "unreadable-body": ("no JSON, \u00fc\U0001f3a7", {}),
    "some-attributes": ("{" * (SUM_LIMIT_BYTES - 150), {}),
    "no-attributes": ("{" * SUM_LIMIT_BYTES, {}),
}
WAITING = ("Unavailable", "Throttled", "Unauthorized")


class Context:
    """Lambda's context."""

    function_name = "send_events"

    def __init__(self, run_id: str) -> None:
        self.aws_request_id = run_id
        self._end_s = time.monotonic() + _INVOCATION_S

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left."""
        return max(0, int((self._end_s - time.monotonic()) * 1000))


class Pipeline:
    """The function of the version, on an emulator and a Mixpanel that refuses what it is told to."""

    def __init__(self, resources: Resources, sqs: Any, dynamodb: Any) -> None:
        self.resources, self.sqs, self.dynamodb = resources, sqs, dynamodb
        self.refuses = True
        self.taken: list[list[Any]] = []

    def respond(self, request: Request) -> Response:
        """Answer as Mixpanel."""
        events = events_of(request)
        names = {event["event"] for event in events}
        refusal = next((REFUSALS[name] for name in REFUSALS if name in names), None)
        if self.refuses and refusal:
            return refusal(events)
        self.taken += [four_fields(event) for event in events]
        return imported(len(events))

    def invoke(self, *records: dict[str, Any], run_id: str = "run") -> set[str]:
        """Run the handler once; return what it hands back."""
        import handler  # noqa: PLC0415  (it reads the environment)

        with redirect_stdout(io.StringIO()):  # metrics
            answer = handler.handler({"Records": list(records)}, Context(run_id))
        return {failed["itemIdentifier"] for failed in answer["batchItemFailures"]}

    def settle(self, *records: dict[str, Any]) -> None:
        """Run the handler until nothing is left, as the queue would."""
        left = list(records)
        for _ in range(_MOST_INVOCATIONS):
            failed = self.invoke(*left)
            left = [received_again(record) for record in left if record["messageId"] in failed]
            if not left:
                return
        raise RuntimeError(f"{len(left)} records are left")

    def sent(self, *bodies: str) -> list[list[Any]]:
        """Deliver bodies to a Mixpanel that takes all; return the four fields of what comes there."""
        self.refuses, self.taken = False, []
        for n, body in enumerate(bodies):
            self.settle(record(f"again-{n}", body))
        self.refuses = True
        return sorted(self.taken, key=json.dumps)

    def take(self, queue_url: str) -> dict[str, Any]:
        """Receive the one message of a queue, and delete it."""
        [message] = self.sqs.receive_message(
            QueueUrl=queue_url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )["Messages"]
        self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return dict(message)


def four_fields(event: dict[str, Any]) -> list[Any]:
    """Return what Mixpanel deduplicates an event by."""
    return [event["event"], *(event["properties"][name] for name in ("distinct_id", "time", "$insert_id"))]


def record(
    message_id: str, body: str, *, sent_ms: int = NOW_MS - 30_000, receive_count: int = 1, log_key: str = ""
) -> dict[str, Any]:
    """Return a message as Lambda hands it over."""
    key = {"log_key": {"dataType": "String", "stringValue": log_key}} if log_key else {}
    return {
        "messageId": message_id,
        "receiptHandle": f"handle-{message_id}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": str(sent_ms)},
        "messageAttributes": key,
    }


def received_again(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as it comes the next time."""
    count = int(record["attributes"]["ApproximateReceiveCount"]) + 1
    return {**record, "attributes": {**record["attributes"], "ApproximateReceiveCount": str(count)}}


def edit_all(event: Any) -> dict[str, Any]:
    """Change all deduplication fields, and put the rest right: the edit function of `may_count`."""
    kept = event if isinstance(event, dict) else {}
    return {**kept, "properties": {}, **DEDUPLICATION}


# --- what the function writes


def record_dead(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Make each record of DEAD a dead letter; return them as SQS hands them out."""
    letters = {}
    for name, (body, over) in DEAD.items():
        beside = [] if name.startswith("exhausted") else [record("control", envelope(raw("control")))]
        pipeline.settle(record(f"message-{name}", body, **over), *beside)
        letters[name] = pipeline.take(pipeline.resources.dead_letter_queue_url)
    return letters


def bury(sqs: Any, queue_url: str, letter: dict[str, Any]) -> str:
    """Send a recorded dead letter to a queue; return its new id."""
    attributes = letter.get("MessageAttributes", {})
    described = {n: {"DataType": "String", "StringValue": a["StringValue"]} for n, a in attributes.items()}
    answer = sqs.send_message(QueueUrl=queue_url, MessageBody=letter["Body"], MessageAttributes=described)
    return str(answer["MessageId"])


def refused_edits(pipeline: Pipeline, letters: dict[str, dict[str, Any]]) -> set[str]:
    """Return the names of the letters whose deduplication fields may not be edited."""
    url = pipeline.resources.dead_letter_queue_url
    names = {bury(pipeline.sqs, url, letter): name for name, letter in letters.items()}
    report = _ops("redrive", f"--limit={len(names)}", "--dry-run", f"--edit={Path(__file__).stem}:edit_all")
    return {names[left["message_id"]] for left in report["left"]}


def record_waiting(pipeline: Pipeline) -> None:
    """Leave a row for each reason to wait."""
    for n, name in enumerate(WAITING):
        pipeline.invoke(
            record(f"message-{name.lower()}", envelope(raw(f"waiting-{n}", event=name))), run_id=f"run-{n}"
        )


def record_redriven(pipeline: Pipeline) -> dict[str, str]:
    """Redrive two letters, and deliver one of them; return the other message's body and log key."""
    for insert_id in ("redriven", "delivered"):
        pipeline.settle(
            record(f"message-{insert_id}", envelope(raw(insert_id, event="Forbidden"))),
            record("control", envelope(raw("control"))),
        )
    _ops("redrive", "--event", "Forbidden", "--limit", "2")
    found = {}
    for _ in range(2):
        message = pipeline.take(pipeline.resources.queue_url)
        log_key = message["MessageAttributes"]["log_key"]["StringValue"]
        found[log_key.partition("/")[0]] = {"body": message["Body"], "log_key": log_key}
    pipeline.refuses = False
    pipeline.settle(record("message-again", **found["delivered"]))
    pipeline.refuses = True
    return found["redriven"]


def record_delivery(pipeline: Pipeline, into: Path) -> dict[str, str]:
    """Write `dead_letters.json` and `log.json`; return a redriven message."""
    letters = record_dead(pipeline)
    redriven = record_redriven(pipeline)
    record_waiting(pipeline)
    rows = pipeline.dynamodb.scan(TableName=pipeline.resources.log_table_name)["Items"]
    names = {letter["MessageId"]: f"dead-{name}" for name, letter in letters.items()}
    for row in rows:
        if found := row.get("dead_letter_message_id"):
            found["S"] = names.get(found["S"], f"dead-{row['pk']['S']}")
    _write(into / "log.json", sorted(rows, key=json.dumps))
    refused = refused_edits(pipeline, letters)
    found = {name: _letter(pipeline, name, message) for name, message in letters.items()}
    _write(into / "dead_letters.json", {n: {**f, "may_count": n in refused} for n, f in found.items()})
    return redriven


def _letter(pipeline: Pipeline, name: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return a letter without what differs each time, and what is sent if it goes again."""
    kept = {
        "MessageId": f"dead-{name}",
        "Body": message["Body"],
        "Attributes": {"SentTimestamp": str(NOW_MS)},
        "MessageAttributes": message.get("MessageAttributes", {}),
    }
    return {"message": kept, "sent": pipeline.sent(message["Body"])}


def _ops(*arguments: str) -> Any:
    from whyness_ops.cli import main  # noqa: PLC0415  (it reads the environment)

    with redirect_stdout(io.StringIO()) as out:
        main([*arguments, "--json"])
    return json.loads(out.getvalue())


# --- what the publisher writes

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
VALUES = {
    "text": "a",
    "number": 1.5,
    "large": 2**53,
    "no": False,
    "none": None,
    "list": [1, {"b": []}],
    "$city": "Z",
}
ODD = "\x00\x07\n\"\\/'\u2028\ufffe\uffff\u00e9\u97f3\U0001f3a7</script>"
PUBLISHED: list[dict[str, Any]] = [
    {"insert_id": 1, "event": "Audio upload", "user": 123},
    {"insert_id": 2, "event": "Prospect click", "user": "p:45", "data": "a8: Newsletter"},
    {"insert_id": 3, "event": "Home page"},
    {
        "insert_id": "Every-Field-4",
        "event": "Sign up",
        "user": "123",
        "ip": "203.0.113.9",
        "useragent": AGENT,
        "data": {"method": "POST", "list": [1, 2]},
        "properties": VALUES,
        "prospect": 45,
    },
    {
        "insert_id": 5,
        "event": f"Odd {ODD}",
        "user": f"u{ODD}",
        "data": ODD,
        "properties": {ODD: [ODD, {ODD: ODD}]},
    },
    {
        "insert_id": 6,
        "event": "\u00e9" * 127,
        "user": "u" * 255,
        "useragent": "a" * 300,
        "data": "\u97f3" * 100,
    },
    {"insert_id": 7, "event": "Given in seconds", "user": "1", "time": 1_660_000_000.123},
]
IDENTITIES = ("distinct_id", "simplified")


def publish(*events: dict[str, Any]) -> None:
    """Send events as a page does."""
    from django.db import transaction  # noqa: PLC0415  (Django must be set up first)

    from whyness_mixpanel.models import Event  # noqa: PLC0415

    with transaction.atomic():
        Event.send_many([Event(**{"time": TIME_MS, **event}) for event in events])


def record_messages(pipeline: Pipeline, redriven: dict[str, str], into: Path) -> None:
    """Write `messages.json`."""
    from tests.django_support import override  # noqa: PLC0415
    from whyness_events import Event, encode_message  # noqa: PLC0415

    messages = {"redriven": redriven}
    for identity in IDENTITIES:
        with override(IDENTITY=identity):
            publish(*PUBLISHED)
            [messages[identity]] = [{"body": body} for body in _published()]
        seconds = Event("8", "Audio upload", "1", 1_660_000_000_000, time_unit="s")
        messages[f"{identity}-seconds"] = {"body": encode_message([seconds], identity=identity)}
    _write(into / "messages.json", {n: {**m, "sent": pipeline.sent(m["body"])} for n, m in messages.items()})


TABLE = "whyness_mixpanel_outbox"
Row = dict[str, Any]
# With these codes and texts an SQS says that it never takes a message.
QUEUE_REFUSALS = {
    "InvalidMessageContents": "bad",
    "InvalidParameterValue": "must be shorter than 9 bytes",
}
PERSON = {"insert_id": 9, "event": "Audio upload", "user": "123", "data": ODD}


def record_outbox(pipeline: Pipeline, into: Path) -> None:
    """Write `outbox.json`: each row; of a parked one whether it is released; what is sent then."""
    found = {}
    for name, rows in _outbox_rows(pipeline).items():
        for n, row in enumerate(rows):
            insert(row)
            with mock.patch("django.utils.timezone.now", return_value=LATER):
                _manage("release", "--all")
                is_released = not any(left["state"] == "parked" for left in _rows())
                _manage("drain")
            found[f"{name}-{n}"] = {
                "row": row,
                "is_released": is_released,
                "sent": pipeline.sent(*_published()),
            }
            _empty()
    _write(into / "outbox.json", found)


def _outbox_rows(pipeline: Pipeline) -> dict[str, list[Row]]:
    """Return rows by what left them there."""
    found = {f"uncommitted-{identity}": _uncommitted(identity) for identity in IDENTITIES}
    gone = {"BACKEND": "sqs", "QUEUE_URL": f"{pipeline.resources.queue_url}-gone"}
    found["not-taken"] = _left_by(gone, PERSON, drains=False)
    found["drain-died"] = _while_drained()
    invalid = {**PERSON, "event": ""}, {**PERSON, "properties": {"$a": 1}}
    found["invalid"] = _left_by({"BACKEND": "dummy"}, *invalid)
    found["opt-out-failed"] = _left_by({"OPT_OUT": _fail}, PERSON)
    for code, text in QUEUE_REFUSALS.items():
        with _refusing_queue(code, text) as url:
            region = f"x-{code}".lower()  # another one each time, so that no client is used again
            sqs = {"BACKEND": "sqs", "QUEUE_URL": f"{url}/1/events", "REGION": region}
            found[f"refused-{code}"] = _left_by(sqs, PERSON)
    with LoopbackServer(pipeline.respond) as mixpanel:
        account = {"PROJECT_ID": 1, "SERVICE_ACCOUNT": "account", "SERVICE_PASSWORD": "password"}
        direct = {"BACKEND": "mixpanel", "MIXPANEL_URL": mixpanel.url, **account}
        found["refused-by-mixpanel"] = _left_by(direct, {**PERSON, "event": "Named"})
    return found


def _uncommitted(identity: str) -> list[Row]:
    """Return the rows as a process that dies right after the commit leaves them."""
    from django.db import transaction  # noqa: PLC0415

    from tests.django_support import override  # noqa: PLC0415

    with override(IDENTITY=identity), transaction.atomic():
        publish(*PUBLISHED)
        rows = _rows()
        transaction.set_rollback(True)
    return rows


def _left_by(settings: dict[str, Any], *events: dict[str, Any], drains: bool = True) -> list[Row]:
    """Return the rows that are left after a page, and a drain, with these settings."""
    from tests.django_support import override  # noqa: PLC0415

    with override(**settings):
        publish(*events)
        if drains:
            _manage("drain")
    rows = _rows()
    _empty()
    return rows


def _while_drained() -> list[Row]:
    """Return the rows as a drain that is killed leaves them."""
    from tests.django_support import override  # noqa: PLC0415

    [row] = _left_by({"OPT_OUT": _fail}, PERSON)
    seen: list[Row] = []

    def watch(_: object) -> list[str]:
        seen.extend(_rows())
        return []

    insert({**row, "state": "pending", "reason": ""})
    with override(OPT_OUT=watch):
        _manage("drain")
    _published()
    _empty()
    return seen


def _fail(_: object) -> list[str]:
    raise KeyError


@contextmanager
def _refusing_queue(code: str, text: str) -> Iterator[str]:
    """Run an SQS that takes nothing, ever."""

    def refuse(request: Request) -> Response:
        entries = json.loads(request.body)["Entries"]
        failed = [{"Id": e["Id"], "Code": code, "Message": text, "SenderFault": True} for e in entries]
        return Response(
            200, json.dumps({"Failed": failed}).encode(), {"Content-Type": "application/x-amz-json-1.0"}
        )

    with LoopbackServer(refuse) as server, mock.patch.dict(os.environ, AWS_ENDPOINT_URL=server.url):
        yield server.url


def _manage(*arguments: str) -> None:
    from django.core.management import CommandError, call_command  # noqa: PLC0415

    with suppress(CommandError):  # something is left, as it must be
        call_command("mixpanel_outbox", *arguments, stdout=io.StringIO())


def _published() -> list[str]:
    from whyness_mixpanel.backends import locmem  # noqa: PLC0415

    bodies = list(locmem.messages)
    locmem.messages.clear()
    return bodies


def _rows() -> list[Row]:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE} ORDER BY id")  # noqa: S608  (fixed)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, map(_plain, values), strict=True)) for values in cursor.fetchall()]
    claimed = "f" * 32
    return [{**row, "claimed_by": claimed} if row.get("claimed_by") else row for row in rows]


def _plain(value: object) -> object:
    """Return a value as the database keeps it; no moment is later than a lease from now."""
    if not isinstance(value, datetime):
        return value
    return f"{min(value.replace(tzinfo=UTC), LEASE_ENDS):%Y-%m-%d %H:%M:%S.%f}"


def insert(row: Row) -> None:
    """Put a recorded row into the outbox."""
    from django.db import connection  # noqa: PLC0415

    places = ", ".join(["%s"] * len(row))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} ({', '.join(row)}) VALUES ({places})", list(row.values()))  # noqa: S608


def _empty() -> None:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608


# --- all of it


def main(into: Path) -> None:
    """Write the files."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder)) as emulator:
        account = Account(emulator.endpoint, "123456789012")
        resources = create_resources(account, Template.read(), secret={})
        pipeline = Pipeline(resources, account.client("sqs"), account.client("dynamodb"))
        with LoopbackServer(pipeline.respond) as mixpanel, _frozen_time():
            os.environ.update({**account.environment, **_settings(resources, mixpanel.url)})
            redriven = record_delivery(pipeline, into)
            from tests.django_support import make_databases  # noqa: PLC0415

            make_databases()
            record_messages(pipeline, redriven, into)
            record_outbox(pipeline, into)


def _settings(resources: Resources, mixpanel_url: str) -> dict[str, str]:
    return {
        "QUEUE_URL": resources.queue_url,
        "DEAD_LETTER_QUEUE_URL": resources.dead_letter_queue_url,
        "LOG_TABLE_NAME": resources.log_table_name,
        "MIXPANEL_PROJECT_ID": "1",
        "MIXPANEL_API_URL": mixpanel_url,
        "MIXPANEL_SERVICE_ACCOUNT": "account",
        "MIXPANEL_SERVICE_PASSWORD": "password",
        "BREAKER_S": "0",
    }


@contextmanager
def _frozen_time() -> Iterator[None]:
    with (
        mock.patch("time.time", return_value=NOW_MS / 1000),
        mock.patch("time.time_ns", return_value=NOW_MS * 1_000_000),
        mock.patch("django.utils.timezone.now", return_value=NOW),
        mock.patch("secrets.token_hex", return_value="00000000"),
    ):
        yield


def _write(path: Path, found: Any) -> None:
    path.write_text(json.dumps(_shortened(found), indent=1) + "\n")


def _shortened(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _shortened(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_shortened(value) for value in found]
    if isinstance(found, str) and len(found) > _LONG_CHARACTERS:
        return {"zlib": base64.b64encode(zlib.compress(found.encode(), 9)).decode()}
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
