"""The command: its files, its exit codes, and what it never shows."""

import gzip
import importlib
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from tests.unit.audit.fake_export import day_of, exported, lines_of
from tests.unit.audit.fake_stack import PARTS, FakeStack
from whyness_events import Event
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_ops.audit.audit_command import Credentials, credentials, day_or_moment
from whyness_ops.cli import main
from whyness_ops.errors import UsageFault
from whyness_ops.stack import Stack

START_MS = 1_793_491_200_000  # 2026-11-01
TRANSLATE = Translator(lambda _: {}).translate
ACCOUNT = {"AUDIT_ACCOUNT": "account-of-audit", "AUDIT_PASSWORD": "password-of-audit"}


class Server:
    """Mixpanel's export on this machine.

    Args:
        rows: exported events.
        status: of each answer.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.status = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                day = parse_qs(urlsplit(self.path).query)["from_date"][0]
                lines = [json.dumps(row) + "\n" for row in server.rows if day_of(row) == day]
                body = gzip.compress("".join(lines).encode())
                self.send_response(server.status)
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


EVENTS = [
    Event(
        insert_id=f"row-{number}",
        event="<Audio> upload",
        user="person-7",
        time=START_MS + number * 3_600_000,
        properties={"plan": "value-pro"},
    )
    for number in range(30)
]


def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """Run the command over two days; return its exit code."""
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    expected = tmp_path / "expected.jsonl"
    expected.write_text("\n".join(lines_of(EVENTS, "distinct_id")) + "\n")
    period = ["--since", "2026-11-01", "--until", "2026-11-03", "--zone", "UTC", "--project", "7"]
    return main(["audit", str(expected), *period, "--export-url", server.url, *options])


def healthy() -> list[dict[str, Any]]:
    """Return the whole export."""
    return [exported(TRANSLATE([event], ["distinct_id"])[0][0], ZoneInfo("UTC")) for event in EVENTS]


def test_all_accounted_for_is_0(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the text has the counts by day and name."""
    server.rows = healthy()

    assert run(server, tmp_path, monkeypatch) == 0

    out, err = capsys.readouterr()
    assert "2026-11-01  <Audio> upload  24" in out
    assert "2026-11-02: 6 exported events" in err


def test_faults_are_1_and_stand_in_private_files_without_values(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Findings and page have ids only; the page loads nothing."""
    server.rows = healthy()[1:]
    server.rows[0]["properties"]["plan"] = "value-other"
    findings, page = tmp_path / "findings.jsonl", tmp_path / "page.html"

    code = run(server, tmp_path, monkeypatch, "--findings", str(findings), "--page", str(page))

    lines = [json.loads(line) for line in findings.read_text().splitlines()]
    events = {line["insert_id"]: line for line in lines if line["kind"] == "event"}
    assert code == 1
    assert {insert_id: line["verdict"] for insert_id, line in events.items()} == {
        "row-0": "missing",
        "row-1": "different",
    }
    assert events["row-1"]["properties"] == ["plan"]
    assert lines[0]["verdicts"] == {"matched": 28, "missing": 1, "different": 1}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (findings, page)} == {0o600}
    html = page.read_text()
    assert "&lt;Audio&gt; upload" in html
    assert "<svg" in html and 'tabindex="0"' in html and '<th scope="col">' in html  # noqa: PT018
    assert not [bad for bad in ("src=", "href=", "<script", "url(", "@import", "<Audio>") if bad in html]
    shown = "".join([*capsys.readouterr(), findings.read_text(), html])
    assert not [text for text in ("value-", "person-7", "-of-audit") if text in shown]


def test_values_stand_in_the_findings_on_demand(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was expected, and what the export has."""
    server.rows = healthy()
    server.rows[0]["properties"]["plan"] = "value-other"
    findings = tmp_path / "findings.jsonl"

    run(server, tmp_path, monkeypatch, "--findings", str(findings), "--values")

    (event,) = [line for line in map(json.loads, findings.read_text().splitlines()) if "values" in line]
    assert event["values"] == {"plan": ["value-pro", "value-other"]}


@pytest.mark.parametrize("status", [400, 401, 402, 403])
def test_refusal_is_2_and_a_sentence(
    status: int,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No report, no file, nothing left in the temporary directory, no credentials."""
    server.status = status
    temporary, page = tmp_path / "temporary", tmp_path / "page.html"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    assert run(server, tmp_path, monkeypatch, "--page", str(page)) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert f"Mixpanel refuses the export with {status}" in err
    assert "-of-audit" not in err
    assert list(temporary.iterdir()) == []
    assert not page.exists()


def test_json_is_one_object(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the counts, the period and what was not compared."""
    server.rows = healthy()

    assert run(server, tmp_path, monkeypatch, "--json") == 0

    summary = json.loads(capsys.readouterr().out)
    assert (summary["verdicts"], summary["zone"]) == ({"matched": 30}, "UTC")


@pytest.mark.parametrize(("status", "lost", "code"), [(200, 0, 0), (200, 2, 1), (401, 0, 2)])
def test_line_is_the_last_one_whatever_the_result(  # noqa: PLR0913, PLR0917  (fixtures)
    status: int,
    lost: int,
    code: int,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Behind the report, if there is one; with counts, and without what events say."""
    server.status, server.rows = status, healthy()[lost:]

    assert run(server, tmp_path, monkeypatch, "--line") == code

    *report, last = capsys.readouterr().out.splitlines()
    line = json.loads(last)
    assert (line["message"], line["exit_code"], bool(report)) == ("mixpanel audit", code, status == 200)
    assert line.get("verdicts", {}).get("missing", 0) == lost
    assert not [text for text in ("row-", "upload", "value-", "person-7", "-of-audit") if text in last]


@pytest.mark.parametrize("missing", ["AUDIT_ACCOUNT", "a library"])
def test_line_says_that_the_audit_could_not_begin(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an account, or without the libraries of the extra."""
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value if name != missing else "")
    monkeypatch.delattr("whyness_ops.audit.audit_run", raising=False)
    monkeypatch.setitem(sys.modules, "whyness_ops.audit.audit_run", None)
    period = ["--since", "yesterday", "--until", "today", "--zone", "UTC", "--project", "7"]

    assert main(["audit", str(tmp_path / "expected.jsonl"), *period, "--line"]) == 2

    line = json.loads(capsys.readouterr().out)
    assert (line["exit_code"], line["result"]) == (2, "not judged")
    assert ("Set AUDIT_ACCOUNT" if missing == "AUDIT_ACCOUNT" else "extra `audit`") in line["why"]


@pytest.mark.parametrize("now_s", [1_793_491_200, 1_793_491_200.9, 1_793_577_599.9])
def test_days_with_names_begin_in_utc(now_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first moment of today to its last."""
    monkeypatch.setattr("time.time", lambda: now_s)

    assert day_or_moment("today") == START_MS == day_or_moment("2026-11-01")
    assert day_or_moment("yesterday") == START_MS - 86_400_000


def test_credentials_come_from_the_environment() -> None:
    """Those of the audit first; the password is asked for where somebody can answer."""
    service = {"MIXPANEL_SERVICE_ACCOUNT": "service", "MIXPANEL_SERVICE_PASSWORD": "secret"}

    assert tuple(credentials({**service, **ACCOUNT})) == ("account-of-audit", "password-of-audit")
    assert tuple(credentials(service)) == ("service", "secret")
    for environ in ({}, {"AUDIT_PASSWORD": "secret"}, {"AUDIT_ACCOUNT": "account"}):
        with pytest.raises(UsageFault, match="AUDIT_"):
            credentials(environ)


def test_password_is_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an echo."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")

    assert credentials({"AUDIT_ACCOUNT": "account"}).password.startswith("typed at Password")


def test_credentials_do_not_show() -> None:
    """Neither in a log nor in a traceback."""
    assert "secret" not in f"{Credentials('account', 'secret')} {Credentials('account', 'secret')!r}"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--until", "2026-11-01"], "--until must be later"),
        (["--zone", "Berlin"], "is not a time zone"),
        (["--zone", "../etc/passwd"], "is not a time zone"),
        (["--zone", ""], "is not a time zone"),
        (["--export-url", "https://example.org"], "must be one of"),
        (["--project", "0"], "is not an integer"),
    ],
)
def test_wrong_option_is_2(  # noqa: PLR0913, PLR0917  (fixtures)
    options: list[str],
    why: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sentence, before anything is asked."""
    try:
        code = run(server, tmp_path, monkeypatch, *options)
    except SystemExit as left:
        code = int(left.code or 0)

    assert code == 2
    assert why in capsys.readouterr().err


def test_large_audit_runs_in_two_processes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same result."""
    monkeypatch.setattr("whyness_ops.audit.comparison._ALONE_BYTES", 0)
    server.rows = healthy()[1:]
    findings = tmp_path / "findings.jsonl"

    assert run(server, tmp_path, monkeypatch, "--findings", str(findings)) == 1
    assert '"insert_id": "row-0"' in findings.read_text()


def test_full_disk_is_a_sentence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where, and which variable names another place."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("whyness_ops.audit.comparison.partition", fail)
    server.rows = healthy()

    assert run(server, tmp_path, monkeypatch) == 2
    assert "No space left on device. Set TMPDIR" in capsys.readouterr().err


def die(*_: object, **__: object) -> int:
    """End this process at once, as the kernel does where memory is short."""
    os._exit(1)


def test_killed_process_is_a_sentence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is judged by the rest."""
    monkeypatch.setattr("whyness_ops.audit.comparison._ALONE_BYTES", 0)
    monkeypatch.setattr("whyness_ops.audit.comparison.partition", die)
    server.rows = healthy()

    assert run(server, tmp_path, monkeypatch) == 2
    assert "was killed" in capsys.readouterr().err


STAGES = {
    "the expected events": "whyness_ops.audit.auditing.compare_sides",
    "the comparison": "whyness_ops.audit.auditor.make_report",
    "the traces": "whyness_ops.audit.auditor.trace_findings",
}


@pytest.mark.parametrize("target", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_audit_says_nothing(  # noqa: PLR0913, PLR0917  (fixtures)
    target: str,
    number: signal.Signals,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wherever it is stopped: no report, no findings, no page; a sentence and the exit code of a stop."""
    module, _, name = target.rpartition(".")
    stage = getattr(importlib.import_module(module), name)

    def stopped(*arguments: Any, **named: Any) -> Any:
        os.kill(os.getpid(), number)
        return stage(*arguments, **named)

    monkeypatch.setattr(target, stopped)
    server.rows = healthy()[1:]
    findings, page = tmp_path / "findings.jsonl", tmp_path / "page.html"

    code = run(server, tmp_path, monkeypatch, "--findings", str(findings), "--page", str(page))

    out, err = capsys.readouterr()
    assert (code, out) == (130, "")
    assert "Stopped. Nothing was judged." in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected.jsonl"]


def test_a_stop_between_two_lines_of_the_file_ends_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long file is not read to its end, and Mixpanel is not asked."""
    lines = iter(lines_of(EVENTS, "distinct_id"))

    def read(_: Path) -> Iterator[str]:
        yield next(lines)
        os.kill(os.getpid(), signal.SIGTERM)
        yield next(lines)

    monkeypatch.setattr("whyness_ops.audit.audit_run.read_lines", read)
    server.status = 500

    assert run(server, tmp_path, monkeypatch) == 130
    assert len(list(lines)) == len(EVENTS) - 2


def test_a_missing_event_is_traced_in_the_stack_that_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the text, the JSON, the findings and the page; a healthy audit asks AWS nothing."""
    stack, asked = FakeStack(), []
    stack.log(EVENTS[0], reason="oversized")

    def connect(options: Any) -> Any:
        asked.append(options.stack)
        return stack.connect()

    monkeypatch.setattr("whyness_ops.audit.audit_run.connect", connect)
    server.rows = healthy()
    files = ["--findings", str(tmp_path / "f"), "--page", str(tmp_path / "p"), "--force", "--stack", "s-1"]

    assert run(server, tmp_path, monkeypatch, *files) == 0
    assert asked == []
    server.rows = healthy()[2:]
    assert run(server, tmp_path, monkeypatch, *files) == 1

    assert set(asked) == {"s-1"}
    out = capsys.readouterr().out
    for text in (out, (tmp_path / "p").read_text()):
        assert "dead: oversized" in text
        assert "no trace" in text
        assert "never published" in text
    lines = map(json.loads, (tmp_path / "f").read_text().splitlines())
    traces = {line["insert_id"]: line.get("trace") for line in lines if line["kind"] == "event"}
    assert traces == {"row-0": "dead: oversized", "row-1": "no trace"}
    run(server, tmp_path, monkeypatch, "--json")
    assert json.loads(capsys.readouterr().out)["traced"] == {"dead: oversized": 1, "no trace": 1}


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"denied": frozenset({"get_queue_attributes"})}, "AccessDenied"), ({}, "no stack is named")],
)
def test_without_rights_or_a_stack_the_audit_runs_and_says_so(  # noqa: PLR0913, PLR0917  (fixtures)
    facts: dict[str, Any],
    why: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the text, the JSON, the findings and the page; the events stay missing."""
    stack = FakeStack(**facts)
    parts = PARTS if facts else Stack()
    monkeypatch.setattr("whyness_ops.audit.audit_run.connect", lambda _: stack.connect(parts))
    server.rows = healthy()[1:]
    files = ["--findings", str(tmp_path / "f"), "--page", str(tmp_path / "p")]

    assert run(server, tmp_path, monkeypatch, *files) == 1
    texts = [capsys.readouterr().out, *((tmp_path / name).read_text() for name in ("f", "p"))]
    assert run(server, tmp_path, monkeypatch, "--json") == 1

    assert json.loads(capsys.readouterr().out)["traced"] == {f"not traced: {why}": 1}
    assert all(f"not traced: {why}" in text for text in texts)
