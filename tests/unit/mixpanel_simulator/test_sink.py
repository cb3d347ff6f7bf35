import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from local.mixpanel_simulator.http1 import Request
from local.mixpanel_simulator.reply import Reply
from local.mixpanel_simulator.sink import Sink
from tests.unit.mixpanel_simulator.builders import make_events, told


def ask(sink: Sink, path: str, body: bytes = b"", **headers: str) -> Reply:
    """Send a request; `content_type` stands for content-type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return sink.handle(Request("POST", path, {}, named, body))


def test_everything_is_counted_and_confirmed_without_a_check() -> None:
    """No credential, invalid events, more than a request may hold."""
    sink = Sink()
    body = json.dumps([*make_events(3_000), 5, None]).encode()

    reply = ask(sink, "/import", body)

    assert (reply.status, told(reply)) == (200, {"code": 200, "num_records_imported": 3_002, "status": "OK"})
    assert told(ask(sink, "/_simulator/stats")) == {
        "requests": 1,
        "events": 3_002,
        "received_bytes": len(body),
        "plain_bytes": len(body),
    }


def test_gzip_and_lines_are_counted_too() -> None:
    """Received and plain bytes apart."""
    sink = Sink()
    lines = b'{"a":1}\n{"a":2}\n'
    packed = gzip.compress(lines)

    reply = ask(sink, "/import", packed, content_type="application/x-ndjson", content_encoding="gzip")

    assert told(reply)["num_records_imported"] == 2
    stats: dict[str, Any] = told(ask(sink, "/_simulator/stats"))
    assert (stats["received_bytes"], stats["plain_bytes"]) == (len(packed), len(lines))


@pytest.mark.parametrize(
    "headers", [{}, {"content_encoding": "gzip"}, {"content_type": "application/x-ndjson"}]
)
def test_what_cannot_be_counted_is_refused(headers: dict[str, str]) -> None:
    """A benchmark must not count rubbish as sent."""
    sink = Sink()

    assert ask(sink, "/import", b"[1,", **headers).status == 400
    assert told(ask(sink, "/_simulator/stats"))["requests"] == 0


def test_reset_starts_again_from_nothing() -> None:
    """And other pages do not exist."""
    sink = Sink()
    ask(sink, "/import", b"[1]")

    assert told(ask(sink, "/_simulator/reset"))["events"] == 0
    assert told(ask(sink, "/_simulator/health"))["events"] == 0
    assert ask(sink, "/_simulator/faults").status == 404


def test_older_clients_form_is_counted_and_answered_in_their_way() -> None:
    """They send the JSON in a form field, and look for a status of 1."""
    sink = Sink()
    body = urlencode({"data": json.dumps(make_events(3)), "verbose": "1"}).encode()

    reply = ask(sink, "/import", body, content_type="application/x-www-form-urlencoded")

    assert told(reply) == {"status": 1, "error": None}
    assert told(ask(sink, "/_simulator/stats"))["events"] == 3


def test_each_answer_takes_as_long_as_asked() -> None:
    """For benchmarks of what waits."""
    assert ask(Sink(0.1), "/import", b"[]").delay_s == 0.1
    assert ask(Sink(), "/import", b"[]").delay_s == 0.0
