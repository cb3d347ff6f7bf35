"""The command from end to end, over sockets."""

import json
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.unit.ops.probe.simulated import CASES, SMALL, ZONE
from whyness_ops import probe
from whyness_ops.argument_parser import parse
from whyness_ops.cli import main
from whyness_ops.errors import UsageFault
from whyness_ops.options import make_parser
from whyness_ops.probe import asking, reading_back
from whyness_ops.probe import probe_command as command
from whyness_ops.probe.probe_command import PASSWORD_VARIABLE, PRODUCTION
from whyness_ops.probe.record import table_of
from whyness_ops.probe.row import Row
from whyness_ops.probe.scratch_project import HOSTS, Credentials, hosts
from whyness_ops.stop import Stop

ACCOUNT, PASSWORD = "me.1a2b3c.mp-service-account", "planted-Secret/42"
FILE = "whyness-probe-123.json"
_FEW = ("an ordinary event", "3 levels", "NaN as a text, empty values", "time 5 years ago", "wrong password")
FEW = tuple(case for case in CASES if case.name in _FEW)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mixpanel() -> Iterator[MixpanelSimulator]:
    """Return a project for trials."""
    with MixpanelSimulator(project_id="123", account=ACCOUNT, password=PASSWORD) as running:
        yield running


@pytest.fixture
def run(
    mixpanel: MixpanelSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that runs the command; nothing that it prints or writes may hold a credential."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    monkeypatch.setattr(command, "all_cases", lambda: FEW)
    monkeypatch.setattr(reading_back, "_PAUSE_S", 0)
    mixpanel.configure(export_per_s=100)

    def ran(*more: str, account: str = ACCOUNT, project: str = "123", url: str = "") -> tuple[int, str, str]:
        options = ["--project", project, "--account", account, "--api-url", url or mixpanel.url]
        code = main(["probe", *options, *more])
        out, err = capsys.readouterr()
        written = "".join(path.read_text(errors="replace") for path in tmp_path.iterdir())
        secrets = (PASSWORD, ACCOUNT, Credentials(ACCOUNT, PASSWORD).header().split()[1])
        assert [secret for secret in secrets if secret in out + err + written] == []
        return code, out, err

    return ran


def test_the_two_calls_find_no_difference(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first leaves a file for its owner alone, and says how to call it the second time."""
    cases = [*SMALL, *(case for case in CASES if case.name == "request of 12 MB")]
    monkeypatch.setattr(command, "all_cases", lambda: tuple(cases))
    code, table, err = run()
    mode = stat.S_IMODE(Path(FILE).stat().st_mode)
    later_code, later, note = run("--later", FILE)

    assert (code, later_code, mode) == (0, 0, 0o600)
    assert f"--later {FILE}" in err
    assert "An hour is safe." in note
    for text, count in ((table, len(cases)), (later, len(cases) + 1)):
        assert "DIFFERS" not in text
        assert text.endswith(f"{count} cases, 0 differ.\n")


def test_differences_are_marked_and_are_exit_code_1(run: Run, mixpanel: MixpanelSimulator) -> None:
    """In the table, and as JSON with Mixpanel's own words."""
    mixpanel.configure(max_depth=2, export_zone="Etc/GMT-1")

    code, out, _ = run("--json")
    rows = [json.loads(line) for line in out.splitlines()]
    later_code, later, _ = run("--later", FILE)

    (row,) = [row for row in rows if row["differs"]]
    assert (code, later_code) == (1, 1)
    assert (row["case"], row["expected"]) == ("3 levels", "200, 2 imported")
    assert row["says"] == "400, 0 imported, refused 0 to 1 properties.nested"
    assert "nested deeper" in row["message"]
    assert {line.split("  ")[1].strip() for line in later.splitlines() if "DIFFERS" in line} == {
        ZONE,
        "3 levels",
    }


@pytest.mark.parametrize("project", [str(PRODUCTION), f"0{PRODUCTION}"])
@pytest.mark.parametrize("more", [(), ("--later", "x"), ("--json",)])
def test_production_is_always_refused(
    run: Run, mixpanel: MixpanelSimulator, project: str, more: tuple[str, ...]
) -> None:
    """Before anything is asked or written."""
    code, _, err = run(*more, project=project)

    assert (code, "in production" in err) == (4, True)
    assert mixpanel.stats()["requests"] == 0
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 401}, "Mixpanel answers 401"),
        ({"status": 403, "body": "<html>"}, "Mixpanel answers 403"),
        ({"status": 503}, "cannot be reached: 503"),
        ({"connection": "reset"}, "cannot be reached: no answer"),
        ({"cut": True}, "cannot be reached: no answer"),
    ],
)
def test_a_mixpanel_that_refuses_the_first_event_is_exit_code_3(
    run: Run, mixpanel: MixpanelSimulator, fault: dict[str, Any], said: str
) -> None:
    """No other case is sent, and no file stays."""
    mixpanel.faults.add(**fault)

    code, out, err = run()

    assert (code, out, said in err) == (3, "", True), err
    assert mixpanel.stats()["requests"] == 1
    assert list(Path.cwd().iterdir()) == []


def test_a_closed_port_is_exit_code_3(run: Run) -> None:
    """A sentence, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, _, err = run(url=f"http://127.0.0.1:{taken.getsockname()[1]}")

    assert (code, "cannot be reached: connection refused" in err) == (3, True)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401},
        {"status": 402},
        {"status": 403},
        {"status": 429},
        {"status": 500},
        {"connection": "reset"},
        {"cut": True},
        {"lines": "terminated"},
    ],
    ids=str,
)
def test_an_export_that_is_refused_or_broken_off_says_nothing_of_missing_events(
    run: Run, mixpanel: MixpanelSimulator, fault: dict[str, Any]
) -> None:
    """Exit code 3 and a sentence."""
    run()
    mixpanel.faults.add(api="export", **fault)

    code, out, err = run("--later", FILE)

    assert (code, out, err.count("error:")) == (3, "", 1), err


def test_a_probe_whose_export_could_not_be_read_sends_nothing(
    run: Run, mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events cannot be taken back: a missing library and an address that has no export are told before."""
    address = mixpanel.url.removeprefix("http://")
    assert run(url=f"https://{address}")[0] == 2
    monkeypatch.delattr(probe, "reading_back")
    monkeypatch.setitem(sys.modules, "whyness_ops.probe.reading_back", None)
    code, _, err = run()

    assert (code, "extra `audit`" in err) == (2, True)
    assert mixpanel.stats()["requests"] == 0
    assert list(Path.cwd().iterdir()) == []


def test_an_export_that_knows_no_day_is_exit_code_3(run: Run, mixpanel: MixpanelSimulator) -> None:
    """A clock that is a week ahead would otherwise ask for ever."""
    run()
    mixpanel.faults.add(api="export", status=400, body={"error": "to_date cannot be later than today"})

    code, _, err = run("--later", FILE)

    assert (code, "this machine's clock" in err) == (3, True)


def test_an_export_with_a_split_record_is_whole(run: Run, mixpanel: MixpanelSimulator) -> None:
    """And one in which today has not begun."""
    run()
    mixpanel.faults.add(api="export", lines="split")
    mixpanel.configure(export_zone="Etc/GMT+12")

    code, out, _ = run("--later", FILE)

    assert (code, out.count("DIFFERS"), "UTC-12:00" in out) == (1, 1, True)


def test_the_password_can_be_in_a_file_or_is_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no option; without it nothing is sent."""
    monkeypatch.delenv(PASSWORD_VARIABLE)
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text(PASSWORD + "\n")
    assert run("--password-file", str(secret))[0] == 0
    Path(FILE).unlink()

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD if "Password" in prompt else "")
    assert run()[0] == 0

    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, _, err = run()
    assert (code, "No password" in err) == (2, True)
    for text in (b"", b"\n", b"\xff", b"two\nlines"):
        secret.write_bytes(text)
        assert run("--password-file", str(secret))[0] == 2
    monkeypatch.setenv(PASSWORD_VARIABLE, "\udcff")
    assert run()[0] == 2
    code, _, err = run("--password-file", "absent")
    assert (code, "Cannot read absent" in err) == (2, True)


def test_the_file_of_an_earlier_probe_is_not_replaced(run: Run, mixpanel: MixpanelSimulator) -> None:
    """Its events are still to be read back."""
    Path(FILE).write_text("mine")

    code, _, err = run()

    assert (code, "--save" in err, Path(FILE).read_text()) == (2, True, "mine")
    assert mixpanel.stats()["requests"] == 0
    assert run("--save", "other.json")[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        '{"project": "123"}',
        '{"run_id": 1}',
        "\ud800",
        "other table",
        "far",
        "other",
    ],
)
def test_a_file_that_is_not_of_the_first_call_is_refused(run: Run, text: str) -> None:
    """Whoever wrote it."""
    good = {"project": "123", "run_id": "a", "started_ms": 1, "table": table_of(FEW), "asked": []}
    texts = {
        "other table": json.dumps({**good, "table": "x"}),
        "far": json.dumps({**good, "started_ms": 10**30}),
        "other": json.dumps({**good, "project": "124"}),
    }
    Path(FILE).write_bytes(texts.get(text, text).encode("utf-8", "surrogatepass"))

    code, _, err = run("--later", FILE)

    assert (code, err.count("\n")) == (2, 1), err
    assert run("--later", "absent")[0] == 2


def test_a_stopped_call_keeps_what_it_asked(run: Run, mixpanel: MixpanelSimulator) -> None:
    """The rest is not sent."""
    stop = Stop()
    stop.set()
    given = ["probe", "--project", "123", "--account", ACCOUNT, "--api-url", mixpanel.url]

    assert command.probe(parse(make_parser(), given), stop) == 0

    assert json.loads(Path(FILE).read_text())["asked"] == ["an ordinary event"]
    assert mixpanel.stats()["requests"] == 1
    assert run("--later", FILE)[1].endswith("2 cases, 0 differ.\n")


def test_a_mixpanel_that_goes_away_is_exit_code_3_and_what_was_asked_is_kept(
    run: Run, mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are in the project, and can be read back."""
    asked = asking.ask

    def ask(*given: Any) -> Row:
        row: Row = asked(*given)
        mixpanel.faults.add(connection="refuse", for_s=600)
        return row

    monkeypatch.setattr(command, "ask", ask)
    code, out, err = run()

    assert (code, out, "cannot be reached" in err) == (3, "", True)
    assert len(json.loads(Path(FILE).read_text())["asked"]) == 2


def test_what_was_not_asked_is_not_missing(run: Run) -> None:
    """A first call that was stopped leaves what it had asked."""
    run()
    found = json.loads(Path(FILE).read_text())
    Path(FILE).write_text(json.dumps({**found, "asked": [case.name for case in FEW[:3]]}))

    _, out, _ = run("--later", FILE)

    assert out.endswith("4 cases, 0 differ.\n")


@pytest.mark.parametrize("region", HOSTS)
def test_each_region_has_its_hosts(region: str) -> None:
    """Also where the address of /import is given."""
    assert hosts(region, None) == HOSTS[region] == hosts("us", HOSTS[region][0] + "/")
    assert all(url.startswith("https://") and url.endswith(".mixpanel.com") for url in HOSTS[region])


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://api.mixpanel.com",
        "https://api.mixpanel.com.example.com",
        "https://api.mixpanel.com@example.com",
        "https://data.mixpanel.com",
        "http://127.0.0.1@example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1/path",
        "127.0.0.1:80",
        "",
        "http://[::1",
    ],
)
def test_a_password_goes_to_no_other_host(url: str) -> None:
    """Neither to a mistyped one."""
    with pytest.raises(UsageFault):
        hosts("us", url)


def test_what_a_server_repeats_of_the_credentials_is_removed(run: Run, mixpanel: MixpanelSimulator) -> None:
    """From the answers and from the export."""
    header = Credentials(ACCOUNT, PASSWORD).header()
    body = {"error": f"{ACCOUNT} {PASSWORD} {header}", "num_records_imported": 0, "failed_records": []}
    body["failed_records"] = [{"index": 0, "field": PASSWORD, "message": f"{ACCOUNT} {header} {PASSWORD}"}]
    mixpanel.faults.add(body_contains='"emoji"', status=400, body=body)

    code, out, _ = run()

    assert (code, "[removed]" in out) == (1, True)


def test_a_redirect_is_not_followed(run: Run, mixpanel: MixpanelSimulator) -> None:
    """It would take the password elsewhere."""
    mixpanel.faults.add(body_contains='"emoji"', status=307, headers={"Location": "http://127.0.0.1:9/"})

    code, out, _ = run()

    assert (code, out.count("DIFFERS"), "307" in out) == (1, 1, True)


def test_the_record_knows_whether_the_cases_are_the_same() -> None:
    """Another set of cases has another digest."""
    assert table_of(CASES) != table_of(CASES[1:])
    assert table_of(CASES) != table_of([replace(CASES[0], name="other"), *CASES[1:]])


def test_a_credential_is_not_shown() -> None:
    """A traceback may end up anywhere."""
    assert PASSWORD not in repr(Credentials(ACCOUNT, PASSWORD))
    assert Row("a", "b", "c", "d").differs
