"""The function's real requests against the shapes of Mixpanel's /import."""

import json
import time

import pytest
from openapi_core.exceptions import OpenAPIError

import handler
from tests.aws_stub import SECRET_ARN, AwsStub
from tests.builders import make_body, make_event, make_record, sqs_event
from tests.integration.delivery.function import (
    ACCOUNT,
    PASSWORD,
    Context,
    environment_of,
    forget_own_settings,
)
from tests.loopback import LoopbackServer, Request, Response
from tests.openapi import validate_import_request
from tests.wire import accept
from whyness_events import Event


def various_events() -> list[Event]:
    """Return events that between them use every field of the contract."""
    now_ms = int(time.time() * 1000) - 60_000
    nested = {"list": [1, 2.5, None, True, "語"], "object": {"a": {"b": "c"}}, "$current_url": "https://a.b/"}
    fields: list[dict[str, object]] = [
        {},
        {"user": ""},
        {"user": "p:45"},
        {"prospect": "45"},
        {"ip": "8.8.8.8", "useragent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"},
        {"data": "GET", "properties": nested},
        {"data": {"method": "PUT"}, "event": "語" * 85},
    ]
    return [make_event(**{"time": now_ms, **each}) for each in fields]


def requests_of(monkeypatch: pytest.MonkeyPatch, *bodies: str) -> list[Request]:
    """Return what one invocation posts."""
    requests: list[Request] = []

    def serve(request: Request) -> Response:
        requests.append(request)
        return accept(request)

    forget_own_settings(monkeypatch)
    secret = json.dumps({"account": ACCOUNT, "password": PASSWORD})
    with AwsStub(secrets={SECRET_ARN: secret}) as aws, LoopbackServer(serve) as server:
        for name, value in environment_of(aws, server.url).items():
            monkeypatch.setenv(name, value)
        handler.container.cache_clear()
        handler.handler(sqs_event(*map(make_record, bodies)), Context(30))
        handler.container.cache_clear()
    return requests


@pytest.mark.parametrize("identity", ["distinct_id", "simplified"])
def test_a_request_has_the_documented_shape(monkeypatch: pytest.MonkeyPatch, identity: str) -> None:
    """Query, authentication, headers and every event, in both identity modes."""
    [request] = requests_of(monkeypatch, make_body(*various_events(), identity=identity))

    validate_import_request(request.method, request.target, request.headers, request.body)


def test_the_check_would_notice_a_missing_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request without `project_id` is refused: the check above can fail."""
    [request] = requests_of(monkeypatch, make_body(*various_events()))
    target = request.target.replace("project_id", "project")

    with pytest.raises(OpenAPIError):
        validate_import_request(request.method, target, request.headers, request.body)
