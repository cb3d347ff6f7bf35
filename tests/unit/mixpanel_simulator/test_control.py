import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local.mixpanel_simulator import MixpanelSimulator
from local.mixpanel_simulator.settings import CHANGEABLE
from tests.unit.mixpanel_simulator.builders import make_event, make_events
from tests.unit.mixpanel_simulator.wire import IMPORT, PATIENCE_S, RawConnection, request_bytes, send

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(mixpanel: MixpanelSimulator) -> Ask:
    """Return a function that asks the simulator's own pages."""

    def asked(method: str, page: str, **more: Any) -> requests.Response:
        return requests.request(method, f"{mixpanel.url}/_simulator/{page}", timeout=PATIENCE_S, **more)

    return asked


def lines_of(answer: requests.Response) -> list[Any]:
    """Return the values of JSON lines."""
    return [json.loads(line) for line in answer.text.splitlines()]


def test_health(ask: Ask) -> None:
    """It answers as soon as it listens."""
    answer = ask("GET", "health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_events_are_json_lines_deduplicated_or_raw(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """The same as from Python."""
    send(mixpanel.url, [make_event(plan="a"), make_event(plan="b"), make_event("Other")])

    deduplicated, raw = ask("GET", "events"), ask("GET", "events?raw=1")

    assert deduplicated.headers["Content-Type"] == "application/x-ndjson"
    assert lines_of(deduplicated) == mixpanel.events()
    assert lines_of(raw) == mixpanel.raw_events()
    assert (len(lines_of(deduplicated)), len(lines_of(raw))) == (2, 3)


def test_events_of_one_project_can_be_asked_for(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """An unknown one is an error."""
    send(mixpanel.url, make_events(1))

    assert len(lines_of(ask("GET", "events?project_id=123"))) == 1
    assert ask("GET", "events?project_id=999").status_code == 404


def test_no_events_are_no_lines(ask: Ask) -> None:
    """An empty answer, not an error."""
    answer = ask("GET", "events")

    assert (answer.status_code, answer.text) == (200, "")


def test_stats_are_those_of_python(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """Reading them is no request that counts."""
    send(mixpanel.url, make_events(2))

    assert ask("GET", "stats").json() == mixpanel.stats()
    assert mixpanel.stats()["requests"] == 1


def test_fault_is_added_listed_and_removed(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """The fields are those of Python."""
    added = ask("POST", "faults", json={"next_requests": 1, "status": 503, "headers": {"X": "y"}})
    struck = send(mixpanel.url, make_events(1))
    listed = ask("GET", "faults").json()

    assert (added.status_code, added.json()) == (201, {"ids": [1]})
    assert (struck.status_code, struck.headers["X"]) == (503, "y")
    assert listed == [
        {"id": 1, "fired": 1, "active": False, "next_requests": 1, "status": 503, "headers": {"X": "y"}}
    ]
    assert ask("DELETE", "faults/1").json() == []
    assert ask("DELETE", "faults/1").status_code == 404
    assert ask("DELETE", "faults/x").status_code == 404


def test_several_faults_are_added_at_once_or_not_at_all(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """One that cannot be meant spoils the list."""
    good, bad = {"status": 500}, {"status": 1}

    assert ask("POST", "faults", json=[good, bad]).status_code == 400
    assert mixpanel.faults.listed() == []
    assert ask("POST", "faults", json=[good, good]).json() == {"ids": [1, 2]}
    assert ask("DELETE", "faults").json() == []
    assert mixpanel.faults.listed() == []


def test_port_is_closed_when_a_refusal_was_asked_for_and_the_answer_comes_first(
    mixpanel: MixpanelSimulator, ask: Ask
) -> None:
    """Whoever asked hears that it was done."""
    answer = ask("POST", "faults", json={"connection": "refuse", "for_s": 60})

    assert answer.status_code == 201
    with pytest.raises(ConnectionRefusedError):
        RawConnection(mixpanel.url)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"5", "a fault must be a JSON object"),
        (b'{"status":99}', "status must be from 200 to 599"),
        (b'{"sttus":500}', "no field 'sttus'; the fields are"),
        (b'{"status":500,"probability":"x"}', "probability must be of type float"),
    ],
)
def test_bad_fault_is_an_error_that_says_what_to_do(ask: Ask, body: bytes, said: str) -> None:
    """Over HTTP as in Python."""
    answer = ask("POST", "faults", data=body)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_settings_change_over_http(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """The answer names them and shows no value."""
    answer = ask("PATCH", "settings", json={"max_events": 1, "password": "marker"})

    assert answer.json() == {"changed": ["max_events", "password"]}
    assert send(mixpanel.url, make_events(1)).status_code == 401


def test_settings_are_shown_without_secrets(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """So that whoever changes one can put it back."""
    mixpanel.configure(max_events=7, password="marker", gdpr_token="marker")

    shown = ask("GET", "settings").json()

    assert shown["max_events"] == 7
    assert shown.keys() == set(CHANGEABLE) - {"password", "gdpr_token"}
    assert "marker" not in str(shown)


@pytest.mark.parametrize("path", ["faults", "settings", "deletions"])
@pytest.mark.parametrize("body", [b"nonsense", b'{"\xff":1}', b'"\\ud800"', b"[" * 5_000 + b"]" * 5_000])
def test_body_that_is_no_json_is_an_error(ask: Ask, path: str, body: bytes) -> None:
    """An answer, not a broken connection."""
    method = "PATCH" if path == "settings" else "POST"

    assert ask(method, path, data=body).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b"5", b'{"nonsense":1}', b'{"max_events":"1"}'])
def test_bad_settings_are_an_error(ask: Ask, body: bytes) -> None:
    """And change nothing."""
    assert ask("PATCH", "settings", data=body).status_code == 400


def test_reset_over_http(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """As in Python."""
    send(mixpanel.url, make_events(1))

    assert ask("POST", "reset").status_code == 200
    assert mixpanel.raw_events() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/import", 405),
        ("POST", "/track", 404),
        ("GET", "/", 404),
        ("GET", "/_simulator/nonsense", 404),
        ("GET", "/_simulator/reset", 405),
        ("PUT", "/_simulator/faults", 405),
    ],
)
def test_other_paths_and_methods_are_errors(
    mixpanel: MixpanelSimulator, method: str, path: str, status: int
) -> None:
    """That say what there is."""
    answer = requests.request(method, mixpanel.url + path, timeout=PATIENCE_S)

    assert answer.status_code == status
    assert "exist" in answer.json()["error"] or "use /import" in answer.json()["error"]


def test_control_pages_work_while_every_import_is_struck(mixpanel: MixpanelSimulator, ask: Ask) -> None:
    """Faults are for imports alone."""
    mixpanel.faults.add(connection="hang")
    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(1)))

        assert ask("GET", "health").status_code == 200
        assert ask("DELETE", "faults").status_code == 200


def test_events_can_be_read_while_more_arrive(mixpanel: MixpanelSimulator) -> None:
    """A reader that is slow gets the moment it asked for."""
    send(mixpanel.url, [make_event(insert_id=f"id-{n}", plan="x" * 250) for n in range(2_000)])
    with requests.get(mixpanel.url + "/_simulator/events", stream=True, timeout=PATIENCE_S) as answer:
        lines = answer.iter_lines()
        next(lines)
        send(mixpanel.url, [make_event(insert_id="late")])

        assert sum(1 for _ in lines) == 1_999
    assert len(mixpanel.events()) == 2_001


def test_import_path_takes_its_query_decoded(mixpanel: MixpanelSimulator) -> None:
    """Percent signs and all."""
    with RawConnection(mixpanel.url) as connection:
        path = IMPORT.replace("123", "%31%32%33")
        connection.send(request_bytes(make_events(1), path=path, extra="Connection: close\r\n"))

        assert b'"num_records_imported":1' in connection.receive_all()
