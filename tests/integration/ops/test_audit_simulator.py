"""The audit against the simulator's export, over HTTP: every quirk of it, and every way it breaks."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.unit.audit.fake_export import lines_of
from whyness_events import Event
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_ops.cli import main

ZONE = "Europe/Berlin"
# Noon of a Saturday in UTC; in the night after it, Berlin's clocks are put back.
START_MS = 1_792_843_200_000
NOW_S = START_MS / 1000 + 3 * 86_400
ACCOUNT, PASSWORD = "account-of-audit", "password-of-audit"
AUTH = {"Authorization": "Basic " + base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()}
TRANSLATE = Translator(lambda _: {}).translate
EVENTS = [
    Event(
        insert_id=f"row-{number}",
        event=f"Event {number % 3}",
        user="7" if number % 2 else "p:7",
        prospect="7" if number % 2 else "",
        time=START_MS + number * 1_800_123,
        ip="8.8.8.8",
        useragent="Mozilla/5.0",
        properties={"plan": "pro", "seconds": 1.5, "tags": ["a", {"b": None}]},
    )
    for number in range(48)
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once, and be who the simulator knows."""
    monkeypatch.setattr("whyness_ops.audit.export_days._WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr("time.time", lambda: NOW_S)
    monkeypatch.setenv("AUDIT_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("AUDIT_PASSWORD", PASSWORD)


@pytest.fixture
def simulator() -> Iterator[MixpanelSimulator]:
    """Run a project with all events."""
    described: dict[str, Any] = {"export_zone": ZONE, "export_per_s": 100}  # its clock stands still
    with MixpanelSimulator(
        project_id="7", account=ACCOUNT, password=PASSWORD, clock=lambda: NOW_S, **described
    ) as running:
        yield running


def send(simulator: MixpanelSimulator, events: list[Event], *, identity: str = "simplified") -> None:
    """Import them."""
    body = b"[%b]" % b",".join(TRANSLATE([event], [identity])[0][0] for event in events)
    reply = simulator.core.handle_import(
        {**AUTH, "Content-Type": "application/json"}, {"strict": "1", "project_id": "7"}, body
    )
    assert reply.status == 200, reply


def run(
    simulator: MixpanelSimulator, tmp_path: Path, *options: str, zone: str = ZONE
) -> tuple[int, dict[str, Any], set[tuple[str, str]]]:
    """Return exit code, summary, and verdict and insert id of each finding."""
    expected, findings = tmp_path / "expected.jsonl", tmp_path / "findings.jsonl"
    expected.write_text("\n".join(lines_of(EVENTS, "simplified")))
    period = ["--since", "2026-10-24T10:00", "--until", "2026-10-25T14:00", "--zone", zone, "--project", "7"]
    files = ["--export-url", simulator.url, "--findings", str(findings), "--force"]
    code = main(["audit", str(expected), *period, *files, *options])
    if not findings.exists():
        return code, {}, set()
    summary, *lines = [json.loads(line) for line in findings.read_text().splitlines()]
    findings.unlink()
    return code, summary, {(line["verdict"], line["insert_id"]) for line in lines if line["kind"] == "event"}


@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        ({}, "merged"),
        ({"export_double_every": 3}, "duplicates"),
        ({"export_order": "shuffled"}, "exported"),
        ({"hot_shard_events": 3}, "hot_sharded"),
        ({"export_merge_late_s": 10**6}, "exported"),
    ],
)
def test_quirks_are_no_faults(
    simulator: MixpanelSimulator, tmp_path: Path, settings: dict[str, Any], counted: str
) -> None:
    """All of a healthy project is accounted for, strictly, also in the hour that comes twice."""
    simulator.core.configure(**settings)
    send(simulator, EVENTS)

    code, summary, findings = run(simulator, tmp_path, "--strict")

    assert (findings, summary["unprobed"], code) == (set(), [], 0)
    assert summary["verdicts"] == {"matched": 48}
    assert summary[counted] > 0


def test_merged_people_are_counted_apart(simulator: MixpanelSimulator, tmp_path: Path) -> None:
    """The prospect's events come back under the user that it became."""
    send(simulator, EVENTS)

    _, summary, findings = run(simulator, tmp_path)

    assert (summary["merged"], findings) == (24, set())


def test_missing_different_and_unexpected_are_named(simulator: MixpanelSimulator, tmp_path: Path) -> None:
    """Beside everything else that is healthy."""
    altered: dict[int, dict[str, Any]] = {
        3: {"properties": {"plan": "other"}},
        4: {"time": EVENTS[4].time + 1},
        5: {"event": "Other"},
    }
    fields = [
        {name: getattr(event, name) for name in Event.__slots__} | altered.get(number, {})
        for number, event in enumerate(EVENTS)
    ]
    fields.append({**fields[6], "insert_id": "foreign-1"})
    send(simulator, [Event(**one) for number, one in enumerate(fields) if number not in (1, 2)])

    code, _, findings = run(simulator, tmp_path)

    assert findings == {
        ("missing", "row-1"),
        ("missing", "row-2"),
        ("different", "row-3"),
        ("different", "row-4"),
        ("different", "row-5"),
        ("unexpected", "foreign-1"),
    }
    assert code == 1


def test_wrong_zone_is_named(
    simulator: MixpanelSimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is called different."""
    send(simulator, EVENTS)

    code, _, _ = run(simulator, tmp_path, zone="UTC")

    assert code == 2
    assert "after the local time of UTC" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fault",
    [{"lines": "split"}, {"cut": True}, {"lines": "terminated"}, {"status": 503}, {"connection": "reset"}],
)
def test_day_that_breaks_once_is_read_again(
    simulator: MixpanelSimulator, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """A record over two lines needs no second try."""
    send(simulator, EVENTS)
    simulator.faults.add(api="export", next_requests=1, **fault)

    code, _, findings = run(simulator, tmp_path)

    assert (code, findings) == (0, set())


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"status": 401}, "401"),
        ({"status": 402}, "402"),
        ({"status": 403}, "403"),
        ({"status": 429}, "429"),
        ({"status": 500}, "500"),
        ({"connection": "reset"}, "connection"),
    ],
)
def test_refusal_is_a_sentence(
    simulator: MixpanelSimulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: dict[str, Any],
    sentence: str,
) -> None:
    """Exit code 2, and nothing is reported as missing."""
    send(simulator, EVENTS)
    simulator.faults.add(api="export", **fault)

    code, _, findings = run(simulator, tmp_path)

    err = capsys.readouterr().err
    assert (code, findings) == (2, set())
    assert sentence in err
    assert "-of-audit" not in err


def test_days_that_stay_broken_are_unknown(simulator: MixpanelSimulator, tmp_path: Path) -> None:
    """Each event of them, and no other verdict."""
    send(simulator, EVENTS)
    simulator.faults.add(api="export", lines="terminated")

    code, summary, findings = run(simulator, tmp_path)

    assert code == 2
    assert set(summary["unknown_days"]) == {"2026-10-24", "2026-10-25"}
    assert summary["verdicts"] == {"unknown": 48}
    assert {verdict for verdict, _ in findings} == {"unknown"}


def test_blocked_name_is_told(simulator: MixpanelSimulator, tmp_path: Path) -> None:
    """All of it was accepted, and none of it is exported."""
    simulator.core.configure(blocked_event="Event 1")
    send(simulator, EVENTS)

    code, summary, _ = run(simulator, tmp_path)

    assert (code, summary["verdicts"]) == (0, {"matched": 32, "blocked?": 16})
