import json
from typing import Any

import pytest
import requests

from local.mixpanel_simulator import MixpanelSimulator, Project
from local.mixpanel_simulator.deletions import MAX_IDS, PATH
from tests.unit.mixpanel_simulator.builders import PASSWORD, FakeClock, make_event
from tests.unit.mixpanel_simulator.wire import PATIENCE_S, send

TOKEN, GDPR_TOKEN = "token-123", "gdpr-secret"


@pytest.fixture
def mixpanel(clock: FakeClock) -> Any:
    """A simulator with two projects whose people may be deleted."""
    projects = tuple(Project(project_id=i, token=f"token-{i}") for i in ("123", "456"))
    with MixpanelSimulator(
        account="acct", password=PASSWORD, clock=clock, projects=projects, gdpr_token=GDPR_TOKEN
    ) as running:
        yield running


def ask(
    mixpanel: MixpanelSimulator, method: str, tracking_id: str = "", *, body: object = None, **over: str
) -> requests.Response:
    """Ask with the right tokens, a second after the last time."""
    mixpanel.core._clock.now_s += 1  # type: ignore[attr-defined]  # the test's own clock
    return requests.request(
        method,
        f"{mixpanel.url}{PATH}{tracking_id}",
        params={"token": over.get("token", TOKEN)},
        headers={"Authorization": over.get("authorization", f"Bearer {GDPR_TOKEN}")},
        data=body if isinstance(body, bytes) else json.dumps(body) if body is not None else None,
        timeout=PATIENCE_S,
    )


def people(*ids: str) -> dict[str, object]:
    """Return what is asked for."""
    return {"compliance_type": "GDPR", "distinct_ids": list(ids)}


def test_a_deletion_is_asked_for_followed_and_carried_out(mixpanel: MixpanelSimulator) -> None:
    """Events of the people are gone under whichever name they have; what comes later is not."""
    events = [
        make_event(distinct_id="u-1", insert_id="1"),
        make_event(distinct_id="$device:p-4", device_id="p-4", insert_id="2"),
        make_event(distinct_id="u-2", user_id="u-2", device_id="p-4", insert_id="3"),
        make_event(distinct_id="u-3", insert_id="4"),
    ]
    send(mixpanel.url, events)

    asked = ask(mixpanel, "POST", body=people("u-1", "p-4"))
    tracking_id = asked.json()["results"]["task_id"]
    before = ask(mixpanel, "GET", tracking_id).json()
    mixpanel.move_deletions("SUCCESS")
    after = ask(mixpanel, "GET", tracking_id).json()
    send(mixpanel.url, [make_event(distinct_id="u-1", insert_id="5")])

    assert (asked.status_code, asked.json()["status"]) == (201, "ok")
    assert before == {"status": "ok", "results": {"status": "PENDING"}}
    assert after["results"]["status"] == "SUCCESS"
    assert [event["properties"]["$insert_id"] for event in mixpanel.raw_events()] == ["4", "5"]


@pytest.mark.parametrize(
    "over",
    [{"token": "token-of-nobody"}, {"token": ""}, {"authorization": ""}, {"authorization": "Bearer other"}],
)
def test_only_an_owner_may_delete(mixpanel: MixpanelSimulator, over: dict[str, str]) -> None:
    """Of a project that exists."""
    assert ask(mixpanel, "POST", body=people("u-1"), **over).status_code == 401
    assert mixpanel.deletions() == []


def test_without_a_gdpr_token_nobody_may(mixpanel: MixpanelSimulator) -> None:
    """Not even with an empty one."""
    mixpanel.configure(gdpr_token="")

    assert ask(mixpanel, "POST", body=people("u-1"), authorization="Bearer ").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"\xff",
        b'{"\xff":1}',
        [],
        {"distinct_ids": ["u-1"]},
        {"compliance_type": "OTHER", "distinct_ids": ["u-1"]},
        people(),
        people(*["u"] * (MAX_IDS + 1)),
        {"compliance_type": "GDPR", "distinct_ids": [7]},
    ],
)
def test_what_is_no_request_is_refused(mixpanel: MixpanelSimulator, body: object) -> None:
    """As a whole."""
    assert ask(mixpanel, "POST", body=body).status_code == 400
    assert mixpanel.deletions() == []


def test_as_many_people_as_are_allowed_are_taken(mixpanel: MixpanelSimulator) -> None:
    """The smaller of the two documented figures."""
    assert ask(mixpanel, "POST", body=people(*["u"] * MAX_IDS)).status_code == 201


def test_one_request_a_second(mixpanel: MixpanelSimulator, clock: FakeClock) -> None:
    """Of whatever kind; the next second is another."""
    ask(mixpanel, "GET", "x")
    clock.now_s -= 0.1

    assert ask(mixpanel, "GET", "x").status_code == 429
    assert ask(mixpanel, "GET", "x").status_code == 200


def test_another_projects_deletion_is_not_found(mixpanel: MixpanelSimulator) -> None:
    """Nor can it be revoked."""
    tracking_id = ask(mixpanel, "POST", body=people("u-1")).json()["results"]["task_id"]

    assert ask(mixpanel, "GET", tracking_id, token="token-456").json()["results"]["status"] == "NOT_FOUND"
    assert ask(mixpanel, "DELETE", tracking_id, token="token-456").status_code == 404
    assert mixpanel.deletions()[0]["status"] == "PENDING"


def test_a_deletion_is_revoked_only_before_it_has_started(mixpanel: MixpanelSimulator) -> None:
    """Then its people's events stay."""
    send(mixpanel.url, [make_event(distinct_id="u-1")])
    first = ask(mixpanel, "POST", body=people("u-1")).json()["results"]["task_id"]
    revoked = ask(mixpanel, "DELETE", first)
    second = ask(mixpanel, "POST", body=people("u-9")).json()["results"]["task_id"]
    mixpanel.move_deletions("STARTED")
    too_late = ask(mixpanel, "DELETE", second)
    mixpanel.move_deletions("SUCCESS")

    assert (revoked.status_code, too_late.status_code) == (200, 400)
    assert [each["status"] for each in mixpanel.deletions()] == ["REVOKED", "SUCCESS"]
    assert len(mixpanel.events()) == 1


def test_deletions_are_listed_and_carried_out_over_http(mixpanel: MixpanelSimulator) -> None:
    """The same as from Python; a status that there is not is an error."""
    ask(mixpanel, "POST", body=people("u-1"))
    url = f"{mixpanel.url}/_simulator/deletions"

    moved = requests.post(url, json={"status": "FAILURE"}, timeout=PATIENCE_S)
    wrong = requests.post(url, json={"status": "DONE"}, timeout=PATIENCE_S)

    assert moved.json() == requests.get(url, timeout=PATIENCE_S).json() == mixpanel.deletions()
    assert moved.json()[0] == {
        "tracking_id": "deletion-1",
        "project_id": "123",
        "distinct_ids": ["u-1"],
        "status": "FAILURE",
    }
    assert (wrong.status_code, "FAILURE" in wrong.json()["error"]) == (400, True)
