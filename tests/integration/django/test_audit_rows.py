"""`manage.py mixpanel_audit`: rows, sent by the backfill, against the simulator's export, over HTTP."""

import json
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection

from example.whyness_django.models import TrackerLog
from local.mixpanel_simulator import MixpanelSimulator
from tests.django_support import override
from tests.shipped.collect import commands
from tests.unit.django_app.rows import CREATED, make_activities, make_click
from whyness_mixpanel import last_audit, sources
from whyness_mixpanel.backends import mixpanel as direct
from whyness_mixpanel.management.commands.mixpanel_audit import Command
from whyness_mixpanel.models import Event, LastAudit, Outbox, Suppression
from whyness_mixpanel.publishing.drain import drain
from whyness_mixpanel.sources import expected, expected_ranges
from whyness_ops.audit import auditing
from whyness_ops.audit.export_days import DayReader
from whyness_ops.errors import NotJudged

ZONE, ACCOUNT, PASSWORD = "Europe/Berlin", "account-of-audit", "MARKER-password"
PERIOD = ("--since", "2025-11-23T12:00", "--until", "2025-11-24T12:00")
THREE = ("activity", "user-click", "contact-click")

pytestmark = pytest.mark.usefixtures("db")

Site = Callable[..., AbstractContextManager[object]]


@pytest.fixture
def mixpanel(monkeypatch: pytest.MonkeyPatch) -> Iterator[MixpanelSimulator]:
    """A project of 2022, whose export writes local time."""
    monkeypatch.setattr(direct, "DELIVERY_S", 4.0)
    monkeypatch.setattr("whyness_ops.audit.export_days._WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setenv("AUDIT_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("AUDIT_PASSWORD", PASSWORD)
    direct._start_afresh()
    described: dict[str, Any] = {"export_zone": ZONE, "export_per_s": 100}
    with MixpanelSimulator(project_id="123", account=ACCOUNT, password=PASSWORD, **described) as simulator:
        yield simulator
    direct._start_afresh()


@pytest.fixture
def site(mixpanel: MixpanelSimulator) -> Site:
    """Return the settings of a site that posts to it; others to choose."""

    def site(**chosen: object) -> AbstractContextManager[object]:
        settings: dict[str, object] = {
            "BACKEND": "mixpanel",
            "MIXPANEL_URL": mixpanel.url,
            "PROJECT_ID": 123,
            "SERVICE_ACCOUNT": ACCOUNT,
            "SERVICE_PASSWORD": PASSWORD,
            "PROJECT_TIME_ZONE": ZONE,
            "HISTORY_BEFORE": None,
        }
        return override(**{**settings, **chosen})

    return site


def send(*names: str) -> None:
    """Send the rows of these sources."""
    for name in names or THREE:
        call_command("mixpanel_backfill", name, "--again")


def park_all() -> None:
    """Let a person decide about what waits."""
    Outbox.objects.update(state=Outbox.State.PARKED, reason="to be looked at")


def audit(mixpanel: MixpanelSimulator, tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and the counts by verdict with the events that were not asked about."""
    findings, code = tmp_path / "findings.jsonl", 0
    files = ("--export-url", mixpanel.url, "--findings", str(findings), "--force")
    try:
        call_command("mixpanel_audit", *arguments, *PERIOD, *files, "--strict")
    except CommandError as error:
        code = error.returncode
    summary = json.loads(findings.read_text().splitlines()[0])
    return code, summary["verdicts"] | {"others": summary["others"]}


@pytest.mark.parametrize("identity", ["distinct_id", "simplified"])
@pytest.mark.parametrize("history", [None, CREATED + timedelta(days=1)])
def test_all_that_the_backfill_sent_is_accounted_for(
    site: Site, mixpanel: MixpanelSimulator, tmp_path: Path, identity: str, history: object
) -> None:
    """Strictly: rows of all three tables, as this version sends them and as an older one did."""
    make_activities(3)
    make_click(contact_id=7, is_prospect=False)
    make_click(contact_id=8, is_prospect=True)
    make_activities(1, created=CREATED - timedelta(days=9))

    with site(IDENTITY=identity, HISTORY_BEFORE=history):
        send()
        found = audit(mixpanel, tmp_path)

    assert found == (0, {"matched": 5, "others": 0})


def test_each_fault_is_named_and_what_is_none_is_counted_apart(
    site: Site, mixpanel: MixpanelSimulator, tmp_path: Path
) -> None:
    """Missing, different, of nobody, of somebody who is suppressed, and not of a row."""
    first, *_ = make_activities(3)
    with site():
        send()
        TrackerLog.objects.filter(pk=first.pk).update(create_date=CREATED + timedelta(hours=1))
        make_activities(1)  # never sent
        make_activities(1, user_id=5)
        Suppression.objects.create(user="5")
        for insert_id in ("999", "of-a-call-site"):
            Event(event="Ping", user=7, insert_id=insert_id, time=CREATED).send()
        drain("default", claim_rows=500)
        every = audit(mixpanel, tmp_path)
        one = audit(mixpanel, tmp_path, "activity")

    shared = {"matched": 2, "different": 1, "missing": 1, "suppressed": 1}
    assert every == (1, {**shared, "unexpected": 1, "others": 1})
    assert one == (1, {**shared, "others": 2})  # 999 may be a click


@pytest.mark.parametrize(("then", "trace"), [(lambda: None, "pending"), (park_all, "parked")])
def test_what_is_still_in_the_outbox_is_missing_with_a_trace(
    site: Site, mixpanel: MixpanelSimulator, tmp_path: Path, then: Callable[[], None], trace: str
) -> None:
    """Beside one without a trace, and rows of the outbox that are no event of theirs."""
    waiting, _, sent = make_activities(3)
    with site():
        sources.event_for(waiting).send()
        for encoded in ("no JSON", "[]", "{}", '{"event": ["x"], "insert_id": 1}'):
            Outbox.objects.create(encoded=encoded, identity="distinct_id")
        then()
        call_command("mixpanel_backfill", "activity", "--again", "--resume", str(sent.pk - 1))
        assert audit(mixpanel, tmp_path) == (1, {"matched": 1, "missing": 2, "others": 0})

    summary, *lines = map(json.loads, (tmp_path / "findings.jsonl").read_text().splitlines())
    traces = {line["insert_id"]: line.get("trace") for line in lines if line["kind"] == "event"}
    assert traces == {str(waiting.pk): trace, str(waiting.pk + 1): "no trace"}
    assert summary["traced"] == {trace: 1, "no trace": 1}


@pytest.mark.parametrize(
    ("arguments", "chosen", "said"),
    [
        ((), {"PROJECT_TIME_ZONE": None}, "Give --zone, as in the project's settings in Mixpanel, or set"),
        ((), {"PROJECT_TIME_ZONE": "Berlin"}, "PROJECT_TIME_ZONE"),
        (("nothing",), {}, "No source has the name nothing"),
        ((), {"OPT_OUT": lambda _: 1 / 0}, "OPT_OUT raised ZeroDivisionError"),
        (("--until", "2025-11-23T12:00"), {}, "--until must be later"),
    ],
)
def test_what_cannot_be_judged_says_why(
    site: Site, tmp_path: Path, arguments: tuple[str, ...], chosen: dict[str, Any], said: str
) -> None:
    """With a sentence; nothing is reported as missing."""
    make_activities(1)
    with site(**chosen), pytest.raises(CommandError, match=said) as raised:
        call_command("mixpanel_audit", *PERIOD, *arguments, "--findings", str(tmp_path / "f"))

    assert raised.value.returncode == 2
    assert PASSWORD not in str(raised.value)


def test_a_row_without_an_event_is_counted_and_named(
    site: Site, mixpanel: MixpanelSimulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It breaks a rule, so that nothing was ever sent."""
    make_activities(1)
    [bad] = make_activities(1, title="")
    with site():
        send()
        capfd.readouterr()
        assert audit(mixpanel, tmp_path) == (0, {"matched": 1, "others": 0})

    assert f"Row {bad.pk} of activity was skipped" in capfd.readouterr().err
    assert json.loads((tmp_path / "findings.jsonl").read_text().splitlines()[0])["refused"] == 1


@pytest.mark.parametrize(("setting", "host"), [("", "data."), ("eu.", "data-eu."), ("in.", "data-in.")])
def test_the_export_is_asked_for_in_the_region_of_the_site(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, host: str
) -> None:
    """Where MIXPANEL_URL is; the wrong region would say that the account does not exist."""
    asked: list[str] = []

    def client(url: str, *_: object) -> None:
        asked.append(url)
        raise NotJudged("enough")

    monkeypatch.setattr("whyness_ops.audit.audit_run.ExportClient", client)
    with site(MIXPANEL_URL=f"https://{setting}mixpanel.com"), pytest.raises(CommandError, match="enough"):
        call_command("mixpanel_audit", *PERIOD, "--findings", str(tmp_path / "f"))

    assert [url.removeprefix("https://").partition("mixpanel")[0] for url in asked] == [host]


@pytest.mark.parametrize("target", ["compare_sides", "read"])
def test_a_stopped_audit_prints_and_writes_nothing(
    site: Site, mixpanel: MixpanelSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """A sentence and the exit code of a stop, whether Mixpanel answers still or all is compared."""
    place: Any = auditing if target == "compare_sides" else DayReader
    stage = getattr(place, target)

    def stopped(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return stage(*arguments)

    monkeypatch.setattr(place, target, stopped)
    make_activities(1)
    with site():
        send("activity")
    out, command = StringIO(), Command()
    command._called_from_command_line = True  # type: ignore[attr-defined]  # Django's stubs leave it out
    files = ("--export-url", mixpanel.url, "--findings", str(tmp_path / "f"), "--page", str(tmp_path / "p"))
    with site(), pytest.raises(CommandError, match="Nothing was judged") as raised:
        call_command(command, *PERIOD, *files, stdout=out)

    assert (raised.value.returncode, out.getvalue(), list(tmp_path.iterdir())) == (130, "", [])


def test_bare_keys_count_only_if_all_tables_are_chosen() -> None:
    """For a bare key does not say of which table it is."""
    ids = [expected.insert_ids(map(sources.get, names)) for names in ((), THREE[:1], THREE)]

    assert [bool(found.fullmatch("12")) for found in ids] == [False, False, True]
    assert not any(found.fullmatch(text) for found in ids for text in ("", "x-1", "1 ", "12a"))


def status() -> str:
    """Return the line on the last audit of `mixpanel_outbox status`."""
    out = StringIO()
    call_command("mixpanel_outbox", "status", stdout=out)
    return out.getvalue().splitlines()[-1]


def test_the_last_audit_is_stored_and_shown(site: Site, mixpanel: MixpanelSimulator, tmp_path: Path) -> None:
    """What was audited, when and with what result."""
    make_activities(2)
    never = status()
    with site():
        send()
        audit(mixpanel, tmp_path, "activity")
        fine, told = status(), last_audit.last_audit()
        make_activities(1)
        audit(mixpanel, tmp_path)
        bad = status()

    assert never == "never audited"
    assert "all accounted for; from 2025-11-23T12:00:00Z to 2025-11-24T12:00:00Z; of activity;" in fine
    assert fine.endswith("2 matched")
    assert told is not None
    assert (told["exit_code"], told["verdicts"]["matched"], told["sources"]) == (0, 2, ["activity"])
    assert "not all accounted for" in bad
    assert bad.endswith("faults: 1; 2 matched, 1 missing")


@pytest.mark.parametrize("trouble", ["the export", "the settings", "the database", "the source"])
def test_an_audit_that_could_not_judge_ends_with_its_line(
    site: Site,
    mixpanel: MixpanelSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    trouble: str,
) -> None:
    """Whatever failed; a text of the database, which may quote a row, is not in it."""
    make_activities(1)

    def fail(*_: object, **__: object) -> None:
        raise Error("Key (user)=(7)")

    if trouble == "the database":
        monkeypatch.setattr(expected_ranges, "write_expected", fail)
    mixpanel.faults.add(api="export", status=403)
    named = ("\udcff\x00",) if trouble == "the source" else ()
    with (
        site(PROJECT_TIME_ZONE=None if trouble == "the settings" else ZONE),
        pytest.raises(CommandError) as raised,
    ):
        call_command("mixpanel_audit", *named, *PERIOD, "--export-url", mixpanel.url, "--line")

    line = json.loads(capfd.readouterr().out)
    whys = {"the export": "403", "the settings": "PROJECT_TIME_ZONE", "the database": "Error"}
    whys["the source"] = r"\xdcff\x00"
    assert (raised.value.returncode, line["exit_code"], line["result"]) == (2, 2, "not judged")
    assert whys[trouble] in line["why"]
    assert "Key" not in line["why"]
    assert line["sources"] == sorted(THREE)
    assert last_audit.last_audit() == line


def test_a_site_that_is_not_migrated_is_audited(
    site: Site, mixpanel: MixpanelSimulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The verdict stands; that it is not stored is said."""
    make_activities(1)
    with connection.schema_editor() as editor:
        editor.delete_model(LastAudit)
    try:
        with site():
            send()
            found, shown = audit(mixpanel, tmp_path), status()
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(LastAudit)

    assert (found, shown) == ((0, {"matched": 1, "others": 0}), "never audited")
    assert "The result is not stored: OperationalError. Is the site migrated?" in capfd.readouterr().err


SHIPPED = {c.text for c in commands() if re.search(r"manage\.py mixpanel_audit [-a-z]", c.text)}


@pytest.mark.parametrize("text", sorted(SHIPPED))
def test_each_command_that_ships_runs(
    site: Site, mixpanel: MixpanelSimulator, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages, help texts and samples; only the address of the export is another."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(re.sub(r" >> .*", "", text.partition("mixpanel_audit ")[2]).removesuffix("'"))

    with site():
        call_command("mixpanel_audit", *words, "--export-url", mixpanel.url)

    told = last_audit.last_audit()
    assert told is not None
    assert told["result"] == "all accounted for"
