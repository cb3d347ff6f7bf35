"""What the tests of profiles send."""

import json
from typing import Any
from urllib.parse import urlencode

from local.mixpanel_simulator import Project, Reply, Simulator
from tests.unit.mixpanel_simulator.builders import FakeClock, basic, make_simulator, told

TOKEN = "tok"
PROJECTS = (
    Project(project_id="123", token=TOKEN),
    Project(project_id="456", token="other"),
    Project(project_id="789", token="abroad", region="eu"),
)


def simulator_of_people(clock: FakeClock | None = None, **changes: Any) -> Simulator:
    """Return a simulator whose projects have tokens; one is of another region."""
    return make_simulator(clock, projects=PROJECTS, **changes)


def make_update(person: object = "u-1", token: object = TOKEN, **operator: Any) -> dict[str, Any]:
    """Return an update with `set=`, `unset=`, `delete=` or any other name; by default it sets a plan."""
    named = {f"${name}": value for name, value in (operator or {"set": {"plan": "trial"}}).items()}
    return {"$token": token, "$distinct_id": person, **named}


def engage(
    simulator: Simulator,
    updates: object,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send updates (bytes as they are, anything else as JSON), by default as a server should."""
    body = updates if isinstance(updates, bytes) else json.dumps(updates).encode()
    given = {"ip": "0", "strict": "1", "verbose": "1"} if query is None else query
    return simulator.handle_engage({"Content-Type": "application/json", **(headers or {})}, given, body)


def ask(simulator: Simulator, project_id: str = "123", **form: Any) -> Any:
    """Ask for profiles as the service account, and return the answer."""
    reply = simulator.handle_query(basic(), {"project_id": project_id}, urlencode(form).encode())
    return told(reply)


def stored(simulator: Simulator, project_id: str = "123") -> dict[str, Any]:
    """Return the properties by person, without `$last_seen`."""
    return {
        each["$distinct_id"]: {
            name: value for name, value in each["$properties"].items() if name != "$last_seen"
        }
        for each in simulator.profiles(project_id=project_id)
    }
