import gzip
import json
import time
from typing import Any

import pytest
import requests
from openapi_core.exceptions import OpenAPIError

from local.mixpanel_simulator import MixpanelSimulator
from tests.openapi import validate_import_request, validate_import_response

PATH = "/import?strict=1&project_id=123"
HEADERS = {
    "Authorization": "Basic YWNjdDpwdw==",
    "Content-Type": "application/json",
    "Content-Encoding": "gzip",
}


def make_events(**changes: Any) -> list[dict[str, Any]]:
    """Return one minimal event; `changes` are properties."""
    now_ms = int(time.time() * 1_000)
    return [
        {
            "event": "Signed Up",
            "properties": {"time": now_ms, "distinct_id": "u", "$insert_id": "i"} | changes,
        }
    ]


def packed(events: object) -> bytes:
    """Return the body of a request."""
    return gzip.compress(json.dumps(events).encode())


def answer_of(
    mixpanel: MixpanelSimulator, events: object, headers: dict[str, str] | None = None
) -> requests.Response:
    """Import events as a sender would; the answer has been checked against the documented shapes."""
    answer = requests.post(
        mixpanel.url + PATH, data=packed(events), headers={**HEADERS, **(headers or {})}, timeout=20
    )
    validate_import_response(answer.status_code, answer.headers, answer.content)
    return answer


def test_minimal_request_is_as_documented_and_accepted() -> None:
    """The same bytes satisfy the schema and the simulator."""
    with MixpanelSimulator(account="acct", password="pw") as mixpanel:
        answer = answer_of(mixpanel, make_events())

        validate_import_request("POST", mixpanel.url + PATH, HEADERS, packed(make_events()))
        assert answer.status_code == 200


def test_every_documented_answer_is_given_as_documented() -> None:
    """200, 400, 401, 413 and 429, each provoked and not scripted."""
    with MixpanelSimulator(account="acct", password="pw", events_per_s=1, max_body_bytes=20_000) as mixpanel:
        statuses = [
            answer_of(mixpanel, make_events()).status_code,
            answer_of(mixpanel, make_events(time="x", distinct_id=5) * 2).status_code,
            answer_of(mixpanel, make_events(), {"Authorization": "Basic YWNjdDp4"}).status_code,
            answer_of(mixpanel, make_events(plan="x" * 20_000)).status_code,
            answer_of(mixpanel, make_events() * 60).status_code,
        ]

    assert statuses == [200, 400, 401, 413, 429]


@pytest.mark.parametrize("events", [[], {}, "no json", [5]])
def test_refusal_without_failed_records_is_as_documented(events: object) -> None:
    """A whole request that cannot be read."""
    with MixpanelSimulator(account="acct", password="pw") as mixpanel:
        assert answer_of(mixpanel, events).status_code == 400


@pytest.mark.parametrize("status", [401, 413, 429])
def test_scripted_answer_with_mixpanels_own_words_is_as_documented(status: int) -> None:
    """Where the script gives no body."""
    with MixpanelSimulator(account="acct", password="pw") as mixpanel:
        mixpanel.faults.add(status=status)

        assert answer_of(mixpanel, make_events()).status_code == status


@pytest.mark.parametrize(
    ("url", "headers", "events"),
    [
        ("/import?strict=1", {}, make_events()),
        ("/import?project_id=1", {}, make_events()),
        ("/import?strict=2&project_id=1", {}, make_events()),
        (PATH, {"Authorization": ""}, make_events()),
        (PATH, {"Content-Encoding": "br"}, make_events()),
        (PATH, {"Content-Type": "text/plain"}, make_events()),
        (PATH, {}, []),
        (PATH, {}, make_events(time="1763900000")),
        (PATH, {}, make_events(distinct_id=5)),
        (PATH, {}, [{"event": "x"}]),
        (PATH, {}, [{**make_events()[0], "extra": 1}]),
        ("/track?strict=1&project_id=1", {}, make_events()),
    ],
)
def test_request_that_is_not_as_documented_is_told(url: str, headers: dict[str, str], events: object) -> None:
    """The check of our own requests must be able to fail."""
    with pytest.raises(OpenAPIError):
        validate_import_request("POST", "http://127.0.0.1:1" + url, {**HEADERS, **headers}, packed(events))


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (503, "application/json", b"{}"),
        (200, "text/html", b"<html>"),
        (200, "application/json", b'{"num_records_imported":"3"}'),
        (400, "application/json", b'{"failed_records":["identity events"]}'),
    ],
)
def test_answer_that_is_not_as_documented_is_told(status: int, media_type: str, body: bytes) -> None:
    """So too the check of the answers."""
    with pytest.raises(OpenAPIError):
        validate_import_response(status, {"Content-Type": media_type}, body)
