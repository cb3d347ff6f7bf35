"""One row of `make chaos` with all its processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.accounting import keys_in
from local.chaos import auditing
from local.chaos.auditing import Audit
from local.chaos.cli import main
from local.chaos.lane import Lane
from local.chaos.load import Load
from local.chaos.pace import Pace
from local.chaos.rows import Row
from local.chaos.running import run_rows
from local.chaos.troubles import Tally
from local.emulator import MINISTACK


@pytest.mark.usefixtures("rie_path")
def test_a_row_accounts_for_every_event(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bad events die with a reason, the others arrive, and nothing is left running or lying about."""
    if not MINISTACK.exists():
        pytest.skip(f"{MINISTACK} is missing: `make demo` installs it")
    monkeypatch.setattr("local.chaos.cli.CACHE_DIR", tmp_path)

    code = main(["--scale", "0.001", "--row", "invalid"])

    [row] = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert (code, row["offered"], row["delivered"], row["audited"], row["dead"]) == (0, 100, 98, 98, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("rie_path")
def test_the_audit_finds_exactly_what_a_deliberate_bug_loses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Messages are deleted undelivered: the ledger says how many events, and the audit which."""
    if not MINISTACK.exists():
        pytest.skip(f"{MINISTACK} is missing: `make demo` installs it")
    lost, audits, audit = set[str](), list[Audit](), auditing.audit

    @contextmanager
    def losing(lane: Lane, _pace: Pace) -> Iterator[Tally]:
        lane.stop_poller()
        yield Tally(count=1)
        sqs, url = lane.stack.account.client("sqs"), lane.stack.resources.queue_url
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)["Messages"]:
            lost.update(key.insert_id for key in keys_in(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        lane.start_poller()

    def keep(lane: Lane, load: Load) -> Audit:
        audits.append(audit(lane, load))
        return audits[-1]

    monkeypatch.setattr(auditing, "audit", keep)
    row = Row("losing", "messages deleted undelivered", losing, lambda _: 0.0)

    [result] = run_rows([row], Pace.at(0.001, 25), lane_count=1, work_dir=tmp_path, on_tick=lambda _: None)

    assert lost
    assert result.problems == [f"events lost: {len(lost)}"]  # the two agree
    assert audits[0].found == {"missing": lost}
    assert audits[0].matched_count == result.account.offered - len(lost)
