"""make e2e: its pure parts; and the whole of it, by `pytest -m e2e` only."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.build import ROOT
from local.e2e import deploying, localstack, operating
from local.e2e.lacks import LACKS, Lack, report
from local.e2e.localstack import Emulator, NotInstalled, client_environment, server_environment, use_only
from local.e2e.plugin.whyness_localstack.partiql import update_item
from local.e2e.steps import Steps
from local.loopback import LOOPBACK
from whyness_events.delivery.aws.log_table import DynamoDbLog
from whyness_events.log_entry import DeliveredRow, LogKey

URL = "http://127.0.0.1:1"
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|localhost")


class Clock:
    """Moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.now_s += seconds


@pytest.fixture
def steps() -> Steps:
    """Steps that are printed nowhere, in virtual time."""
    clock = Clock()
    return Steps(lambda _: None, clock, clock.sleep)


@pytest.mark.parametrize("is_edited", [False, True])
def test_the_functions_update_is_an_update_item(*, is_edited: bool) -> None:
    """Same row, same values, same conditions: the statement is the one that the function sends."""
    key = LogKey("id-1", "sk-1")
    row = DeliveredRow(key, LogKey("id-2", "sk-2") if is_edited else key)
    sent: dict[str, Any] = DynamoDbLog("Table", Any, Any)._mark(row, 5)  # type: ignore[arg-type]  # nothing is called

    made = update_item(sent["Statement"], sent["Parameters"])

    assert made["TableName"] == "Table"
    assert made["Key"] == {"pk": {"S": "id-1"}, "sk": {"S": "sk-1"}}
    assert made["UpdateExpression"] == "SET #state = :v0, #delivered_at = :v1"
    assert made["ConditionExpression"].startswith("attribute_exists(#pk) AND #state <> :v4")
    assert made["ConditionExpression"].count("AND") == 1 + is_edited
    used = {word for text in made.values() if isinstance(text, str) for word in re.findall(r"[#:]\w+", text)}
    assert used == {*made["ExpressionAttributeNames"], *made["ExpressionAttributeValues"]}, (
        "DynamoDB refuses more"
    )


@pytest.mark.parametrize("statement", ["", 'SELECT * FROM "t"', 'DELETE FROM "t" WHERE "pk" = ?'])
def test_another_statement_is_refused(statement: str) -> None:
    """The plug-in says so rather than doing something else."""
    with pytest.raises(ValueError, match="not an UPDATE"):
        update_item(statement, [])


def test_every_server_listens_on_loopback_only(tmp_path: Path) -> None:
    """Each address that LocalStack is given is 127.0.0.1, and its server is one that heeds it."""
    server = server_environment(4566, tmp_path, tmp_path / "rie")

    addresses = {address for value in server.values() for address in ADDRESS.findall(value)}
    assert addresses == {LOOPBACK}
    assert server["GATEWAY_LISTEN"] == f"{LOOPBACK}:4566"
    assert server["GATEWAY_SERVER"] == "hypercorn", "the default listens on all interfaces"
    assert not [name for name in server if name.startswith("AWS_")], "no credentials of a person"


@pytest.mark.parametrize(
    "name", ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SQS", "AWS_ACCESS_KEY_ID", "BOTO_CONFIG"]
)
def test_no_real_account_is_reached(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever the shell has, only the emulator's settings are left."""
    theirs = dict.fromkeys([*client_environment(1), name], "a person's")
    monkeypatch.setattr(os, "environ", {**os.environ, **theirs})

    use_only(client_environment(1))

    left = {key: value for key, value in os.environ.items() if key.startswith(("AWS_", "BOTO_"))}
    assert left.items() <= client_environment(1).items()
    assert left["AWS_CONFIG_FILE"] == left["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_the_stack_is_like_prod_and_sends_to_the_simulator() -> None:
    """Each parameter exists, each alarm is switched on, and the project is not the production's."""
    text = (ROOT / "infra/template.yaml").read_text()
    parameters = re.findall(
        r"^  (\w+):$", text[text.index("\nParameters:") : text.index("\nRules:")], re.MULTILINE
    )

    overrides = deploying.environment(URL).overrides

    assert set(overrides) <= set(parameters)
    assert (overrides["EnvironmentName"], overrides["MixpanelApiUrl"]) == ("prod", URL)
    assert overrides["MixpanelProjectId"] == deploying.PROJECT_ID != "2780485"
    assert "0" not in {overrides["SilenceAlarmHours"], overrides["VolumeAlarmEventsPerHour"]}


def test_what_was_not_seen_is_remembered(steps: Steps) -> None:
    """One of three: the run fails, and says which."""
    for what, is_so in (("one", True), ("two", False), ("three", True)):
        steps.see(what, is_so=is_so)

    assert (steps.seen_count, steps.failed) == (2, ["two"])


@pytest.mark.parametrize(("after_looks", "is_seen"), [(0, True), (3, True), (99, False)])
def test_it_waits_until_something_is_so_or_the_time_is_up(
    steps: Steps, after_looks: int, *, is_seen: bool
) -> None:
    """It looks once at least, and once more at the end."""
    looks = iter(range(1_000))

    assert steps.until(lambda: next(looks) >= after_looks, within_s=10) is is_seen


@pytest.mark.parametrize(
    ("text", "do", "named"),
    [
        ("a since 1; b-c since 2", "docs/runbook.md#a docs/runbook.md#b-c", {"a", "b-c"}),
        ("a since 1; b-c since 2", "docs/runbook.md#a", {"a"}),
        ("a since 1", "docs/runbook.md#a docs/runbook.md#b", {"a"}),
        ("none rings", "", set()),
    ],
)
def test_an_alarm_counts_as_named_with_its_section_only(text: str, do: str, named: set[str]) -> None:
    """Its name without the section, or the other way about, is not enough."""
    assert operating.ringing({"text": text, "do": do}) == named


def test_what_the_emulator_lacks_is_said_and_what_it_has_by_now_too() -> None:
    """A newer emulator is not credited with an old one's lacks."""
    lacks = (Lack("no this", "a test", lambda: True), Lack("no that", "a test", lambda: False))

    first, second = report(lacks)

    assert first == "  - no this; instead: a test"
    assert "it has this by now" in second


def test_what_shows_it_instead_exists() -> None:
    """Each test that is named is there."""
    paths = [path for lack in LACKS for path in re.findall(r"tests/[\w/.]+\w", lack.instead)]

    assert len(paths) > len(LACKS) / 2
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_without_localstack_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is begun."""
    monkeypatch.setattr(localstack, "PYTHON", tmp_path / "missing")

    with pytest.raises(NotInstalled, match="make e2e"):
        Emulator(tmp_path, tmp_path / "rie")


def test_the_plug_in_is_what_localstack_looks_for() -> None:
    """The entry points name things that are there, and the environment names the entry points."""
    plugin = ROOT / "local/e2e/plugin"
    text = (plugin / "pyproject.toml").read_text()

    for module, name in re.findall(r'"whyness_localstack\.(\w+):(\w+)"', text):
        code = (plugin / f"whyness_localstack/{module}.py").read_text()
        assert re.search(rf"^(def|class) {name}\b", code, re.MULTILINE), name
    server = server_environment(1, plugin, plugin)
    assert f"{server['LAMBDA_RUNTIME_EXECUTOR']} = " in text
    assert f'"dynamodb:{server["PROVIDER_OVERRIDE_DYNAMODB"]}" = ' in text


def test_no_workflow_runs_it() -> None:
    """It takes minutes and 500 MB: not in make check, not in CI."""
    makefile = (ROOT / "Makefile").read_text()
    check = re.findall(r"^check:.*\n(?:\t.*\n)*", makefile, re.MULTILINE)
    jobs = [yaml.safe_load(path.read_text())["jobs"] for path in ROOT.glob(".github/workflows/*.yml")]

    assert "e2e" not in f"{check} {jobs}"


@pytest.mark.e2e
@pytest.mark.timeout(1_800)
@pytest.mark.skipif(not localstack.PYTHON.exists(), reason="no .venv-e2e: `make e2e` installs LocalStack")
def test_all_that_can_be_seen_is_seen() -> None:
    """Deployed, operated, changed, taken back, deleted: the exit status is 0."""
    done = subprocess.run(
        [sys.executable, "-m", "local.e2e"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
