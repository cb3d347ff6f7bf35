"""`manage.py mixpanel_audit --repair`: what was never sent is published, and audited again."""

import json
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from local.mixpanel_simulator import MixpanelSimulator
from tests.integration.django.test_audit_rows import PERIOD, Site, mixpanel, site  # noqa: F401  (fixtures)
from tests.unit.audit.fake_stack import DEAD_URL, QUEUE_URL, TABLE, FakeStack
from tests.unit.django_app.rows import CREATED, make_activities, make_click
from whyness_events import Event
from whyness_ops import Stop, stack_options

pytestmark = pytest.mark.usefixtures("db")
STACK = ("--queue-url", QUEUE_URL, "--dead-letter-queue-url", DEAD_URL, "--log-table", TABLE)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator's export has at once what it took."""
    monkeypatch.setattr("whyness_ops.audit.repairing._FIRST_WAIT_S", 0.0)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    """A stack that the site's options name."""
    stack = FakeStack()
    parts = SimpleNamespace(sqs=stack, dynamodb=stack)
    monkeypatch.setattr(stack_options, "Aws", lambda **_: parts)
    return stack


def audit(simulator: MixpanelSimulator, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Return exit code, JSON (empty where none was printed), and the error."""
    out, code, why = StringIO(), 0, ""
    try:
        call_command(
            "mixpanel_audit", *arguments, *PERIOD, "--export-url", simulator.url, "--json", stdout=out
        )
    except CommandError as error:
        code, why = error.returncode, str(error)
    return code, json.loads(out.getvalue() or "{}"), why


def lose_two() -> list[int]:
    """Send two activities; make an activity and a click that are never sent; return their keys."""
    make_activities(2)
    call_command("mixpanel_backfill", "activity", "--again")
    return [make_activities(1)[0].pk, make_click(contact_id=8, is_prospect=True).pk]


@pytest.mark.parametrize("history", [None, CREATED + timedelta(days=1)])
def test_what_was_never_sent_is_published_and_found(
    site: Site,  # noqa: F811
    mixpanel: MixpanelSimulator,  # noqa: F811
    history: object,
) -> None:
    """A dry run says it and publishes nothing; then all is accounted for, as if the backfill had sent it."""
    nothing = {"parked": 0, "suppressed": 0, "too_young": 0, "gone": 0}
    with site(HISTORY_BEFORE=history):
        lose_two()
        code, dry, _ = audit(mixpanel, "--repair", "--yes")
        still = audit(mixpanel)
        repaired, wet, _ = audit(mixpanel, "--repair", "--publish", "--yes")
        after = audit(mixpanel, "--strict")

    assert (code, dry["traced"]) == (1, {"no trace": 2})
    assert dry["repair"] == {"lost": 2, "dry_run": True, "published": 2, **nothing}
    assert still[0] == 1
    assert (repaired, wet["verdicts"]) == (0, {"matched": 2, "missing": 2})
    assert wet["repair"]["after"]["verdicts"] == {"matched": 4}
    assert (after[0], after[1]["verdicts"]) == (0, {"matched": 4})


def test_more_than_a_percent_of_a_day_needs_yes(site: Site, mixpanel: MixpanelSimulator) -> None:  # noqa: F811
    """Nothing is published, and the report says why."""
    with site():
        lose_two()
        code, found, _ = audit(mixpanel, "--repair", "--publish")
        again = audit(mixpanel)

    assert code == 1
    assert "2 of 4 events are missing without a trace, more than 1 %" in found["repair"]["refusal"]
    assert again[1]["verdicts"] == {"matched": 2, "missing": 2}


@pytest.mark.parametrize(
    ("arguments", "chosen", "said"),
    [
        (("--publish",), {}, "--publish and --yes need --repair"),
        (("--yes",), {}, "--publish and --yes need --repair"),
        (("--repair", "--publish"), {"ENABLED": False}, "ENABLED is False"),
    ],
)
def test_a_repair_that_cannot_be_is_refused_before_mixpanel_is_asked(
    site: Site,  # noqa: F811
    mixpanel: MixpanelSimulator,  # noqa: F811
    arguments: tuple[str, ...],
    chosen: dict[str, Any],
    said: str,
) -> None:
    """With exit code 2 and a sentence."""
    with site(**chosen):
        code, found, why = audit(mixpanel, *arguments)

    assert (code, found) == (2, {})
    assert said in why


def test_what_was_published_is_said_if_the_wait_is_stopped(
    site: Site,  # noqa: F811
    mixpanel: MixpanelSimulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code is that of a stop, and a later audit finds the events."""
    with site():
        lose_two()
        with monkeypatch.context() as patch:
            patch.setattr(Stop, "wait", lambda stop, _: stop.set())
            code, found, why = audit(mixpanel, "--repair", "--publish", "--yes")
        after = audit(mixpanel)

    assert (code, found["repair"]["published"]) == (130, 2)
    assert "were published" in why
    assert after[0] == 0


def test_a_failure_to_publish_is_a_sentence(
    site: Site,  # noqa: F811
    mixpanel: MixpanelSimulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The events stay missing, for the next repair."""
    monkeypatch.setattr(Stop, "wait", lambda *_: None)
    with site():
        lose_two()
        mixpanel.faults.add(api="import", status=503)
        code, found, why = audit(mixpanel, "--repair", "--publish", "--yes")

    assert (code, found["repair"]["published"]) == (1, 0)
    assert why.startswith("Publishing failed: ")


def test_traces_of_the_sites_stack_keep_a_repair_from_it(
    site: Site,  # noqa: F811
    mixpanel: MixpanelSimulator,  # noqa: F811
    stack: FakeStack,
) -> None:
    """What the Log names is left; the queue leaves the other undecided, until it is empty."""
    with site():
        make_activities(1)
        call_command("mixpanel_backfill", "activity", "--again")
        assert audit(mixpanel, *STACK)[0] == 0
        assert stack.calls == []
        _, click = lose_two()
        stack.log(Event(insert_id=str(click), event="Prospect click", user="p:8", time=1), reason="exhausted")
        stack.visible = 1
        full = audit(mixpanel, *STACK, "--repair", "--publish", "--yes")
        stack.visible = 0
        empty = audit(mixpanel, *STACK, "--repair", "--publish", "--yes")

    assert (full[0], full[1]["traced"]) == (1, {"dead: exhausted": 1, "queue not empty": 1})
    assert full[1]["verdicts"] == {"matched": 3, "missing": 1, "undecided": 1}
    assert full[1]["repair"]["lost"] == 0
    assert empty[1]["traced"] == {"dead: exhausted": 1, "no trace": 1}
    assert (empty[0], empty[1]["repair"]["after"]["verdicts"]) == (1, {"matched": 4, "missing": 1})


@pytest.mark.parametrize(
    ("chosen", "trace"),
    [
        ({}, "no trace"),
        ({"BACKEND": "sqs", "QUEUE_URL": None}, "not traced: no stack is named"),
        ({"BACKEND": "console"}, "not traced: no stack is named"),
    ],
)
def test_only_a_site_that_posts_itself_needs_no_stack(
    site: Site,  # noqa: F811
    mixpanel: MixpanelSimulator,  # noqa: F811
    chosen: dict[str, Any],
    trace: str,
) -> None:
    """It has no queue; for any other, an event that cannot be traced is never published."""
    with site():
        lose_two()
    with site(**chosen):
        _, found, _ = audit(mixpanel, "--repair", "--yes")

    assert found["traced"] == {trace: 2}
    assert found["repair"]["lost"] == (2 if trace == "no trace" else 0)
