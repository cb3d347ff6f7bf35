"""What `status` says of a stack: well, ill with what to do, or unknown with why."""

import io
import json
import urllib.error
from http import HTTPStatus
from http.client import HTTPMessage
from typing import Any

import pytest

from tests.unit.ops.watch.fake_aws import (
    NOW,
    NOW_MS,
    STACK,
    TELLS_NOTHING,
    WELL,
    FakeClient,
    depth,
    invocation,
)
from whyness_ops.aws import Aws
from whyness_ops.stack import Stack
from whyness_ops.watch import facts
from whyness_ops.watch.status import Status, assess, status_text


def status_of(monkeypatch: pytest.MonkeyPatch, stack: Stack = STACK, **answers: Any) -> Status:
    """Return the status of a stack that is well but for these answers."""
    monkeypatch.setattr(Aws, "_client", lambda _, service: FakeClient(service, WELL | answers))
    return assess(stack, facts.ask(Aws(), stack, (), NOW_MS), NOW_MS)


def test_a_healthy_stack_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one screen, with nothing to do next."""
    status = status_of(monkeypatch)

    text = status_text(status.to_json())

    assert status.is_well
    assert "s: All is well." in text
    assert "last 10 s ago, lag 1 s; in 2.0/s, out 2.0/s over 5 minutes" in text
    assert "3 waiting, 2 hidden, oldest 4 s" in text
    assert "v1-2-gabc, since 2027-01-15 08:00 UTC" in text
    assert "Fix " not in text


ASKED = ("logs", "queue", "dead", "alarms", "metrics", "mapping", "deployment")


def stack_in(status: str) -> dict[str, Any]:
    """Return a stack in another state of CloudFormation."""
    return {"Stacks": [{**WELL["deployment"]["Stacks"][0], "StackStatus": status}]}


ALARM = {"AlarmName": "s-dead-letters", "StateValue": "ALARM", "StateUpdatedTimestamp": NOW}
OLD = {"MetricDataResults": [{"Id": "queue", "Values": [90_000.0]}]}
DEAD = {
    "MetricDataResults": [{"Id": "dead_age", "Values": [7200.0]}, {"Id": "r_rejected", "Values": [15.0, 9.0]}]
}


@pytest.mark.parametrize(
    ("answers", "name", "text", "do"),
    [
        ({"logs": invocation(outcomes={"setup": 3})}, "delivery", "none in 15 minutes", "#nothing-delivered"),
        ({"logs": {"events": []}}, "delivery", "none in 15 minutes", "doctor"),  # and messages wait
        (
            {"logs": invocation(outcomes={"delivered": 1}, is_breaker_open=True)},
            "breaker",
            "open",
            "#breaker-open",
        ),
        ({"metrics": OLD}, "queue", "3 waiting, 2 hidden, oldest 25 h", "#backlog-age"),
        (
            {"dead": depth(16, 1), "metrics": DEAD},
            "dead letters",
            "17, oldest 2 h; new in 24 hours: 15 rejected",
            "dlq list",
        ),
        (
            {"alarms": {"MetricAlarms": [ALARM], "CompositeAlarms": []}},
            "alarms",
            "dead-letters since 2027-01-15 08:00 UTC",
            "docs/runbook.md#dead-letters",
        ),
        ({"mapping": {"State": "Disabled"}}, "mapping", "disabled: nothing is sent", "resume"),
        (
            {"deployment": stack_in("UPDATE_ROLLBACK_COMPLETE")},
            "deployed",
            "UPDATE_ROLLBACK_COMPLETE",
            "deploy.md",
        ),
        ({"deployment": stack_in("UPDATE_IN_PROGRESS")}, "deployed", "UPDATE_IN_PROGRESS", "deploy.md"),
    ],
)
def test_what_is_ill_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], name: str, text: str, do: str
) -> None:
    """Nothing else is, and the whole is not well."""
    status = status_of(monkeypatch, **answers)

    [ill] = [row for row in status.rows if row.verdict != "well"]
    assert not status.is_well
    assert (ill.name, ill.verdict) == (name, "ill")
    assert text in ill.text
    assert do in ill.do
    assert f"Fix {name}: {ill.do}" in status_text(status.to_json())


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_only_an_alarm_that_rings_is_named(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """An emulator answers with all of them, whatever state was asked for."""
    quiet = {**ALARM, "StateValue": state}
    status = status_of(monkeypatch, alarms={"MetricAlarms": [quiet], "CompositeAlarms": [quiet]})

    assert status.is_well


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("answer", TELLS_NOTHING)
def test_an_answer_that_tells_nothing_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, answer: Any
) -> None:
    """Denied, throttled, missing, unreachable, slow, empty: the other rows stand; all is not called well."""
    status = status_of(monkeypatch, **{name: answer})

    text = status_text(status.to_json())

    assert not status.is_well
    assert "??" in text
    assert "Traceback" not in text
    assert any(row.verdict == "well" for row in status.rows)


def test_a_stack_named_by_its_parts_says_what_it_cannot_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarms and deployment go by the stack's name."""
    status = status_of(monkeypatch, Stack(STACK.queue_url, STACK.dead_letter_queue_url))

    assert "Give --stack or --env" in status_text(status.to_json())
    assert not status.is_well


def test_what_this_machine_has_not_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo has no alarms, metrics, mapping and deployment: not here, and well."""
    stack = Stack(STACK.queue_url, STACK.dead_letter_queue_url, log_group=STACK.log_group, is_local=True)

    status = status_of(monkeypatch, stack)

    here = {row.name: row.verdict for row in status.rows}
    assert status.is_well
    assert {name for name, verdict in here.items() if verdict == "not here"} == {
        "alarms",
        "mapping",
        "deployed",
    }


def answer_of(url: str, status_code: int, body: object) -> io.BytesIO:
    """Return what `urlopen` returns, or raise what it raises."""
    page = io.BytesIO((body if isinstance(body, str) else json.dumps(body)).encode())
    if status_code == 0:
        raise urllib.error.URLError("Connection refused")
    if status_code != HTTPStatus.OK:
        raise urllib.error.HTTPError(url, status_code, "", HTTPMessage(), page)
    return page


HEALTHY = {"ok": True, "databases": {"default": {"pending": 3, "parked": 0, "oldest_pending_s": 1}}}


@pytest.mark.parametrize(
    ("status_code", "body", "verdict", "text"),
    [
        (200, HEALTHY, "well", "3 pending, 0 parked"),
        (200, {"ok": True, "databases": {"default": {"pending": 0, "parked": 2}}}, "ill", "2 parked"),
        (200, HEALTHY | {"warnings": ["default: late"]}, "ill", "default: late"),
        (503, {"ok": False, "error": "OperationalError"}, "ill", "OperationalError"),
        (200, [1], "unclear", "is not the health view"),
        (200, "<html>", "unclear", "JSONDecodeError"),
        (404, "<html>", "unclear", "Error"),
        (0, "", "unclear", "Cannot reach https://site/health/"),
    ],
)
def test_outboxes_are_those_of_the_sites_named(
    monkeypatch: pytest.MonkeyPatch, status_code: int, body: object, verdict: str, text: str
) -> None:
    """By the health view's figures; a page that is none, or a site that is down, is a sentence."""
    url = "https://site/health/"
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: answer_of(url, status_code, body))
    monkeypatch.setattr(Aws, "_client", lambda _, service: FakeClient(service, WELL))

    status = assess(STACK, facts.ask(Aws(), STACK, (url,), NOW_MS), NOW_MS)

    [outbox] = [row for row in status.rows if row.name == "outbox"]
    assert outbox.verdict == verdict
    assert text in outbox.text


@pytest.mark.parametrize(
    ("health", "found"),
    [
        (HEALTHY, []),
        (HEALTHY | {"audit": None}, [("not here", "never audited", "")]),
        (HEALTHY | {"audit": "?"}, [("not here", "never audited", "")]),
        (HEALTHY | {"audit": {"at": "now", "exit_code": 0, "result": "fine"}}, [("well", "now: fine", "")]),
        (
            HEALTHY | {"audit": {"at": "now", "exit_code": 1, "result": "bad", "faults": 3}},
            [("ill", "now: bad", "docs/runbook.md#audit-fault")],
        ),
        (HEALTHY | {"audit": {"at": "now"}}, [("ill", "now: ", "docs/runbook.md#audit-fault")]),
    ],
)
def test_the_last_audit_of_a_site_is_a_line(
    monkeypatch: pytest.MonkeyPatch, health: object, found: list[tuple[str, str, str]]
) -> None:
    """An older site, which says nothing of it, has no line; one that was never audited is not ill."""
    url = "https://site/health/"
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: answer_of(url, 200, health))
    monkeypatch.setattr(Aws, "_client", lambda _, service: FakeClient(service, WELL))

    status = assess(STACK, facts.ask(Aws(), STACK, (url,), NOW_MS), NOW_MS)

    rows = [row for row in status.rows if row.name == "audit"]
    assert [(row.verdict, row.do) for row in rows] == [(verdict, do) for verdict, _, do in found]
    assert all(row.text.startswith(text) for row, (_, text, _) in zip(rows, found, strict=True))
