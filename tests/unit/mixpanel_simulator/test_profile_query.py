from typing import Any

import pytest
import requests

from local.mixpanel_simulator import MixpanelSimulator, Simulator
from tests.unit.mixpanel_simulator.builders import PASSWORD, FakeClock, basic, told
from tests.unit.mixpanel_simulator.people import (
    PROJECTS,
    TOKEN,
    ask,
    engage,
    make_update,
    simulator_of_people,
    stored,
)
from tests.unit.mixpanel_simulator.wire import PATIENCE_S, send

HOUR_S = 3_600


def simulator_with(count: int, clock: FakeClock | None = None, **changes: Any) -> Simulator:
    """Return a simulator with people u-0, u-1 and so on."""
    simulator = simulator_of_people(clock, **changes)
    engage(simulator, [make_update(f"u-{number}", set={"n": number, "x": 1}) for number in range(count)])
    return simulator


def people_of(answer: Any) -> list[str]:
    """Return the ids of a page."""
    return [each["$distinct_id"] for each in answer["results"]]


def test_pages_have_every_profile_once() -> None:
    """A thousand each; the page after the last is empty."""
    simulator = simulator_with(2_000)
    engage(simulator, [make_update("u-2000")])

    first = ask(simulator)
    rest = [ask(simulator, session_id=first["session_id"], page=page) for page in (1, 2, 3)]

    assert [len(page["results"]) for page in (first, *rest)] == [1_000, 1_000, 1, 0]
    assert {(page["total"], page["page_size"], page["status"]) for page in (first, *rest)} == {
        (2_001, 1_000, "ok")
    }
    assert [page["page"] for page in (first, *rest)] == [0, 1, 2, 3]
    assert [name for page in (first, *rest) for name in people_of(page)] == list(stored(simulator))


def test_pages_show_the_moment_of_the_first() -> None:
    """Whatever changes meanwhile."""
    simulator = simulator_with(4, query_page_size=2)
    session = ask(simulator)["session_id"]

    engage(simulator, [make_update("u-0", delete=""), make_update("u-3", set={"n": "changed"})])

    assert people_of(ask(simulator, session_id=session, page=0)) == ["u-0", "u-1"]
    assert ask(simulator, session_id=session, page=1)["results"][1]["$properties"]["n"] == 3
    assert people_of(ask(simulator)) == ["u-1", "u-2"]


def test_only_what_is_asked_for_is_shown() -> None:
    """One person, several, or some properties of them."""
    simulator = simulator_with(3)

    assert people_of(ask(simulator, distinct_id="u-1")) == ["u-1"]
    assert people_of(ask(simulator, distinct_ids='["u-2", "u-0", "u-9"]')) == ["u-0", "u-2"]
    shown = ask(simulator, output_properties='["n", "absent"]', distinct_id="u-2")["results"]
    assert shown == [{"$distinct_id": "u-2", "$properties": {"n": 2}}]
    assert people_of(ask(simulator, "456")) == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"where": "x"}, "no where"),
        ({"page": "1"}, "needs a session_id"),
        ({"page": "x", "session_id": "s"}, "page must be a number"),
        ({"session_id": "s"}, "session_id is unknown"),
        ({"distinct_ids": "u-1"}, "distinct_ids must be a JSON array"),
        ({"output_properties": "[5]"}, "output_properties must be a JSON array"),
    ],
)
def test_wrong_query_is_refused(form: dict[str, str], said: str) -> None:
    """The answer names the parameter."""
    assert said in ask(simulator_with(1), **form)["error"]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (basic("acct", "wrong"), {"project_id": "123"}),
        (basic(TOKEN, ""), {"project_id": "123"}),
        (basic(), {"project_id": "789"}),
        (basic(), {"project_id": "1"}),
        (basic(), {}),
        ({}, {"project_id": "123"}),
    ],
)
def test_only_the_service_account_may_ask(headers: dict[str, str], query: dict[str, str]) -> None:
    """For a project of this region."""
    assert simulator_with(1).handle_query(headers, query, b"").status == 401


def test_session_is_of_its_project_and_ends() -> None:
    """After an hour, or with a reset."""
    clock = FakeClock()
    simulator = simulator_with(1, clock)
    session = ask(simulator)["session_id"]

    foreign = ask(simulator, "456", session_id=session)
    clock.now_s += HOUR_S
    last = ask(simulator, session_id=session)
    clock.now_s += 1
    late = ask(simulator, session_id=session)

    assert ("error" in foreign, people_of(last), "error" in late) == (True, ["u-0"], True)


def test_queries_of_an_hour_are_limited() -> None:
    """Apart from those of the export and of other projects; what is refused does not count."""
    clock = FakeClock()
    simulator = simulator_with(1, clock, query_per_hour=3)

    first = ["error" in ask(simulator) for _ in range(5)]
    other = ask(simulator, "456")
    clock.now_s += HOUR_S

    assert first == [False, False, False, True, True]
    assert "error" not in other
    assert "error" not in ask(simulator)
    query = {"project_id": "123", "from_date": "2026-11-01", "to_date": "2026-11-01"}
    assert simulator.handle_export(basic(), query).status == 200


def test_fault_strikes_queries_alone() -> None:
    """Changes go on."""
    simulator = simulator_with(1)
    simulator.faults.add(api="query", status=429)

    reply = simulator.handle_query(basic(), {"project_id": "123"}, b"")

    assert (reply.status, simulator.stats()["query"]["requests_by_outcome"]) == (429, {"429": 1})
    assert told(engage(simulator, [make_update()]))["status"] == 1


def test_gdpr_deletion_takes_the_profile_of_a_person_and_of_a_device() -> None:
    """Of its project alone, and only when it is carried out."""
    clock = FakeClock()
    with MixpanelSimulator(
        projects=PROJECTS, account="acct", password=PASSWORD, gdpr_token="owner", clock=clock
    ) as mixpanel:
        send(mixpanel.url, [])
        people = [make_update("u-1"), make_update("$device:p-4"), make_update("u-2")]
        engage(mixpanel.core, [*people, make_update("u-1", "other")])
        asked = requests.post(
            mixpanel.url + "/api/app/data-deletions/v3.0/",
            params={"token": TOKEN},
            json={"distinct_ids": ["u-1", "p-4"], "compliance_type": "GDPR"},
            headers={"Authorization": "Bearer owner"},
            timeout=PATIENCE_S,
        )
        before = stored(mixpanel.core)
        mixpanel.move_deletions("SUCCESS")

        assert (asked.status_code, len(before)) == (201, 3)
        assert set(stored(mixpanel.core)) == {"u-2"}
        assert set(stored(mixpanel.core, "456")) == {"u-1"}


def test_it_is_served_over_http() -> None:
    """As a form, by POST."""
    with MixpanelSimulator(projects=PROJECTS, account="acct", password=PASSWORD) as mixpanel:
        engage(mixpanel.core, [make_update()])
        url = mixpanel.url + "/api/2.0/engage"
        answer = requests.post(
            url,
            params={"project_id": "123"},
            data={"output_properties": '["plan"]'},
            auth=("acct", PASSWORD),
            timeout=PATIENCE_S,
        )

        assert answer.json()["results"] == [{"$distinct_id": "u-1", "$properties": {"plan": "trial"}}]
        assert requests.get(url, timeout=PATIENCE_S).status_code == 405
