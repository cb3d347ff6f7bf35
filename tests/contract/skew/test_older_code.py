"""What today's code writes, read by the versions that may run beside it: the other half of a deploy."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_record
from tests.contract import record_golden
from tests.contract.skew.golden import RELEASED, Recording, sent, texts
from tests.contract.skew.stack import Pile
from tests.integration.delivery.function import Function, counted, environment_of, recent_sqs_event
from tests.integration.delivery.lambda_process import run_lambda
from tests.integration.ops.conftest import Desk

ROOT = Path(__file__).parents[3]
RECORDER = Path(record_golden.__file__)


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """What today's code writes."""
    folder = tmp_path_factory.mktemp("today")
    run(ROOT, str(RECORDER), str(folder), environment={})
    return Recording(folder)


@pytest.fixture(scope="module", params=RELEASED, ids=lambda release: release.folder.name)
def older(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of an older version, from the history."""
    commit = request.param.commit
    if not shutil.which("git") or git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        pytest.skip(f"this checkout has no commit {commit}: the history is not at hand")
    folder = tmp_path_factory.mktemp("older")
    archive = git("archive", commit, "functions/send_events", "whyness_mixpanel", "whyness_ops")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Ask the history."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603, S607


def run(code: Path, *arguments: str, environment: Mapping[str, str], exit_code: int = 0) -> str:
    """Run Python with the code in a folder; return what it prints."""
    # In that folder, for Python imports from where it runs before all else; what is only of today comes last.
    places = [code / "functions" / "send_events", code, Path(__file__).parent, RECORDER.parent, ROOT]
    found = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=code,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, places)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == exit_code, found.stderr[-4_000:]
    return found.stdout


@pytest.mark.parametrize("release", RELEASED, ids=lambda release: release.folder.name)
def test_the_recorder_records_today_what_it_recorded_then(today: Recording, release: Recording) -> None:
    """So the next version can be recorded, and no case was dropped on the way."""
    for kind in ("messages", "outbox", "dead_letters"):
        assert set(getattr(today, kind)) == set(getattr(release, kind))
    assert {row["state"]["S"] for row in today.log} == {row["state"]["S"] for row in release.log}


def test_older_functions_deliver_todays_messages_and_dead_letters(
    today: Recording, older: Path, aws: AwsStub, mixpanel: MixpanelSimulator
) -> None:
    """Published or redriven: they send the four fields that today's function would have sent."""
    bodies = [(m["body"], m.get("log_key", "")) for m in today.messages.values()]
    bodies += [(x["message"]["Body"], texts(x).get("log_key", "")) for x in today.dead_letters.values()]
    records = [make_record(body, log_key=key) for body, key in bodies]
    redriven = today.messages["redriven"]
    [row] = [row for row in today.log if row["state"]["S"] == "redriven"]
    aws.rows[row["pk"]["S"], row["sk"]["S"]] = {"state": "redriven"}

    # The redriven one twice: at first its client may take longer to make than the row is worth.
    process = run_lambda(
        [
            recent_sqs_event(*records),
            recent_sqs_event(make_record(redriven["body"], log_key=redriven["log_key"])),
        ],
        {**environment_of(aws, mixpanel.url), "PYTHONPATH": str(older / "functions" / "send_events")},
    )

    assert process.answers == [{"batchItemFailures": []}] * 2, process.output
    assert counted(mixpanel) == sent([*today.messages.values(), *today.dead_letters.values()])
    assert aws.rows[row["pk"]["S"], row["sk"]["S"]]["state"] == "delivered"


def test_older_drains_publish_todays_rows(
    today: Recording, older: Path, aws: AwsStub, function: Function, mixpanel: MixpanelSimulator
) -> None:
    """From a database that today's migrations have made."""
    database = older / f"{uuid4()}.sqlite3"
    queue = {"SKEW_DATABASE": str(database), "SKEW_QUEUE_URL": aws.dead_letter_queue_url}
    environment = {**aws.environment, **queue, "DJANGO_SETTINGS_MODULE": "site_settings"}
    run(ROOT, "-m", "django", "migrate", environment=environment)
    pending = today.outbox_of("pending")
    put(database, [case["row"] for case in pending.values()])

    printed = run(older, "-m", "django", "mixpanel_outbox", "drain", environment=environment)

    assert printed.endswith(f"published {len(pending)}, left 0\n")
    assert (
        function.invoke(*(make_record(dead_letter.body) for dead_letter in aws.dead_letters)).failed_ids == []
    )
    assert counted(mixpanel) == sent(pending.values())


def put(database: Path, rows: list[dict[str, Any]]) -> None:
    """Put rows into the outbox of a database file."""
    with sqlite3.connect(database) as connection:
        for row in rows:
            places = ", ".join("?" * len(row))
            statement = f"INSERT INTO {record_golden.TABLE} ({', '.join(row)}) VALUES ({places})"  # noqa: S608
            connection.execute(statement, list(row.values()))
    connection.close()


def test_older_tools_protect_todays_dead_letters(today: Recording, older: Path, desk: Desk) -> None:
    """They refuse to edit the deduplication fields of what may count already."""
    pile = Pile.of(today, desk)
    edit = [f"--limit={len(pile.names)}", f"--edit={RECORDER.stem}:edit_all", "--dry-run", "--json"]

    printed = run(older, "-m", "whyness_ops", "redrive", *edit, exit_code=1, environment=pile.environment)

    left = {pile.names[dead_letter["message_id"]] for dead_letter in json.loads(printed)["left"]}
    assert left == {name for name, dead_letter in today.dead_letters.items() if dead_letter["may_count"]}
