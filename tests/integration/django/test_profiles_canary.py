"""`manage.py mixpanel_check`: a test profile, written to the simulator and read back, over HTTP."""

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from local.mixpanel_simulator import MixpanelSimulator, Project
from tests.django_support import override
from whyness_mixpanel.diagnosis import canary, diagnose
from whyness_mixpanel.people import profile, query
from whyness_ops.audit import export_pace

ACCOUNT, PASSWORD = "account", "MARKER-password"
RIGHT, OTHERS = "MARKER-tok", "MARKER-other"
PROJECTS = (Project(project_id="123", token=RIGHT), Project(project_id="456", token=OTHERS))
ID = "whyness-mixpanel-check"

pytestmark = pytest.mark.usefixtures("db")


class Clock:
    """The simulator's: a wait of the check lets time pass there."""

    def __init__(self) -> None:
        self.now_s = 1_795_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    """Return the clock."""
    return Clock()


@pytest.fixture
def mixpanel(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[MixpanelSimulator]:
    """Two projects, of which the site uses the first."""
    monkeypatch.setattr(diagnose, "profiles", partial(canary.profiles, clock.wait))
    monkeypatch.setattr(query, "_WAITS_S", (0.0,))
    monkeypatch.setattr(export_pace, "_LIMITS", ((60, 3_600.0),))
    monkeypatch.setenv("AUDIT_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("AUDIT_PASSWORD", PASSWORD)
    described: dict[str, Any] = {"projects": PROJECTS, "account": ACCOUNT, "password": PASSWORD}
    with MixpanelSimulator(**described, clock=clock) as simulator:
        yield simulator


def check(mixpanel: MixpanelSimulator, **chosen: object) -> tuple[str, str]:
    """Return the state and the text of the finding; nothing secret is shown."""
    settings: dict[str, object] = {
        "BACKEND": "mixpanel",
        "SERVICE_ACCOUNT": ACCOUNT,
        "SERVICE_PASSWORD": PASSWORD,
        "MIXPANEL_URL": mixpanel.url,
        "PROJECT_ID": 123,
        "PROJECT_TOKEN": RIGHT,
    }
    out = StringIO()
    with override(**settings | chosen), suppress(SystemExit):
        call_command("mixpanel_check", "--json", stdout=out)
    assert "MARKER" not in out.getvalue()
    shown = [each for each in json.loads(out.getvalue())["findings"] if each["what"] == "profiles"]
    return (shown[0]["state"], f"{shown[0]['found']} {shown[0]['remedy']}") if shown else ("", "")


def ids(mixpanel: MixpanelSimulator, project_id: str = "123") -> list[str]:
    """Return whose profiles a project has."""
    return [each["$distinct_id"] for each in mixpanel.profiles(project_id=project_id)]


def test_right_token_is_proved_and_nothing_is_left(mixpanel: MixpanelSimulator) -> None:
    """The profile was written, found and deleted."""
    assert check(mixpanel)[0] == "ok"
    assert ids(mixpanel) == []
    assert mixpanel.stats()["engage"]["requests"] == 2


@pytest.mark.parametrize("token", ["MARKER-unknown", OTHERS])
def test_wrong_token_is_named_though_mixpanel_accepts_it(mixpanel: MixpanelSimulator, token: str) -> None:
    """Nobody's, or that of another project of the same account."""
    state, text = check(mixpanel, PROJECT_TOKEN=token)

    assert state == "wrong"
    assert "PROJECT_TOKEN" in text


def test_profile_of_another_token_proves_nothing(mixpanel: MixpanelSimulator) -> None:
    """One that a run with the right token left there, or a hand."""
    mixpanel.faults.add(api="engage", body_contains="$delete", status=503)
    assert check(mixpanel)[0] == "ok"
    assert ids(mixpanel) == [ID]

    assert check(mixpanel, PROJECT_TOKEN="MARKER-unknown")[0] == "wrong"


@pytest.mark.parametrize(("late_s", "state"), [(10, "ok"), (30, "ok")])
def test_profile_that_shows_late_is_waited_for(
    mixpanel: MixpanelSimulator, late_s: float, state: str
) -> None:
    """For half a minute."""
    mixpanel.faults.add(api="engage", late_s=late_s, next_requests=1)

    assert check(mixpanel)[0] == state


def test_profile_that_shows_much_later_is_found_by_a_later_run(
    mixpanel: MixpanelSimulator, clock: Clock
) -> None:
    """It stays there, and proves the token even if nothing new shows."""
    mixpanel.faults.add(api="engage", late_s=3_600)
    assert check(mixpanel)[0] == "wrong"
    clock.now_s += 3_600

    assert check(mixpanel)[0] == "ok"


@pytest.mark.parametrize(
    ("chosen", "fault", "state", "words"),
    [
        ({"PROJECT_TOKEN": ""}, {}, "wrong", "PROJECT_TOKEN is not set"),
        ({"BACKEND": "console"}, {}, "skipped", "sends nothing"),
        ({"ENABLED": False}, {}, "skipped", "sends nothing"),
        ({"MIXPANEL_URL": "http://127.0.0.1:9"}, {}, "skipped", "status 0"),
        ({}, {"api": "engage", "status": 401}, "wrong", "status 401"),
        ({}, {"api": "engage", "status": 503}, "skipped", "status 503"),
        ({}, {"api": "engage", "invalid": 1}, "wrong", "did not accept"),
        ({}, {"api": "query", "status": 403}, "skipped", "Consumer"),
        ({}, {"api": "query", "status": 503}, "skipped", "503"),
        ({"PROJECT_ID": 789}, {}, "skipped", "401"),
    ],
)
def test_what_prevents_the_proof_is_told(
    mixpanel: MixpanelSimulator, chosen: dict[str, object], fault: dict[str, Any], state: str, words: str
) -> None:
    """Wrong is what stops profiles; the rest is skipped."""
    if fault:
        mixpanel.faults.add(**fault)

    found = check(mixpanel, **chosen)

    assert found[0] == state
    assert words in found[1]


def test_without_a_service_account_the_token_stays_unknown(
    mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding says so; nothing is written."""
    monkeypatch.delenv("AUDIT_ACCOUNT")

    state, text = check(mixpanel)

    assert (state, "unknown whether PROJECT_TOKEN is right" in text) == ("skipped", True)
    assert mixpanel.stats()["engage"]["requests"] == 0


def test_site_without_profiles_hears_nothing_of_them(
    mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written either."""
    monkeypatch.setattr(profile, "_profiles", {})

    assert check(mixpanel) == ("", "")
    assert mixpanel.stats()["engage"]["requests"] == 0
