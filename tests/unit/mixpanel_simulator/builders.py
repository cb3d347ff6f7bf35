"""What the simulator's tests send, and the clock they set."""

import base64
import json
from typing import Any

from local.mixpanel_simulator import Project, Reply, Settings, Simulator

NOW_S = 1_795_000_000
NOW_MS = NOW_S * 1_000
ABSENT = object()
PASSWORD = "pw"


class FakeClock:
    """Epoch seconds, as the test sets them."""

    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


def make_settings(**changes: Any) -> Settings:
    """Return settings with project 123 of account acct, password pw."""
    described = {"projects": (Project(project_id="123"),), "account": "acct", "password": PASSWORD, **changes}
    return Settings(**described)


def make_simulator(clock: FakeClock | None = None, **changes: Any) -> Simulator:
    """Return a simulator with a clock that stands still, and settings as `make_settings` makes them."""
    return Simulator(make_settings(**changes), clock or FakeClock())


def make_event(name: object = "Signed Up", **changes: Any) -> dict[str, Any]:
    """Return a valid event; `changes` are properties, with `insert_id` for `$insert_id` and so on.

    ABSENT leaves a property out.
    """
    dollar = {"insert_id", "user_id", "device_id", "ignore"}
    named = {f"${key}" if key in dollar else key: value for key, value in changes.items()}
    properties = {"time": NOW_MS - 1_000, "distinct_id": "u-42", "$insert_id": "id-1", **named}
    return {"event": name, "properties": {k: v for k, v in properties.items() if v is not ABSENT}}


def make_events(count: int) -> list[dict[str, Any]]:
    """Return valid events that differ in their insert id."""
    return [make_event(insert_id=f"id-{number}") for number in range(count)]


def basic(user: str = "acct", password: str = PASSWORD) -> dict[str, str]:
    """Return a header with a Basic credential."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def post(
    simulator: Simulator,
    events: object,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send events (bytes as they are, anything else as JSON), by default with a right credential."""
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    all_headers = {**basic(), "Content-Type": "application/json", **(headers or {})}
    return simulator.handle_import(all_headers, query or {"strict": "1", "project_id": "123"}, body)


def told(reply: Reply) -> Any:
    """Return the JSON of an answer."""
    return json.loads(reply.body)
