import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from local.accounting import Account
from local.chaos import cli
from local.chaos.pace import EVENTS_IN_ALL, Pace
from local.chaos.rows import LONGEST_FIRST, ROWS, Row
from local.chaos.running import Result
from local.chaos.troubles import striking_seed

SOUND = Account(10, delivered=9, dead=1, lost=0, double_counted=0, unexplained=0, waiting=0)


def test_names_tell_the_rows_apart() -> None:
    """No name is the beginning of another one in insert ids, and LONGEST_FIRST has only names of rows."""
    names = [row.name for row in ROWS]

    for name in names:
        assert [other for other in names if f"{other}-".startswith(f"{name}-")] == [name]
    assert set(LONGEST_FIRST) <= set(names)


def test_the_page_names_every_row() -> None:
    """docs/reference/chaos.md describes every row."""
    page = (Path(__file__).parents[3] / "docs" / "reference/chaos.md").read_text()

    assert [row.name for row in ROWS if f"`{row.name}`" not in page] == []


def test_the_whole_run_offers_what_it_promises() -> None:
    """The rows share 200,000 events."""
    assert Pace.at(1, len(ROWS)).events * len(ROWS) == EVENTS_IN_ALL


@pytest.mark.parametrize("scale", [0.001, 0.02, 1.0])
def test_at_every_scale_the_times_keep_their_order(scale: float) -> None:
    """An outage is long against the redelivery cap, and a message stays hidden longer than it is handled."""
    pace = Pace.at(scale, len(ROWS))

    assert pace.outage_s >= 4 * pace.redelivery_cap_s
    assert pace.visibility_s > pace.timeout_s > pace.answer_timeout_s
    assert pace.patience_s > pace.outage_s


@pytest.mark.parametrize("probability", [0.05, 0.1, 0.3, 1.0])
def test_a_seed_strikes_soon(probability: float) -> None:
    """Among the first two requests, however rare the fault."""
    chance = random.Random(striking_seed(probability))  # noqa: S311  (a script)

    assert min(chance.random() for _ in range(2)) < probability


def result(row: Row, account: Account = SOUND, *, struck: int = 3) -> Result:
    """Return a result."""
    return Result(row, account, 1.25, struck, audited=9)


def test_the_last_line_is_json_with_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good run exits 0 and leaves no logs behind."""
    work_dir = tmp_path / "logs"
    work_dir.mkdir()

    code = cli._report([result(ROWS[0])], 0.02, 3.0, work_dir)

    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, last["ok"], last["rows"][0]["row"]) == (0, True, ROWS[0].name)
    assert last["rows"][0]["drain_s"] == 1.2
    assert not work_dir.exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("lost", "events lost: 1"),
        ("double_counted", "events counted twice: 1"),
        ("unexplained", "events unexplained: 1"),
        ("waiting", "events still in the queue: 1"),
    ],
)
def test_any_event_without_its_one_fate_fails_the_run(
    name: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 1, the row is named, and the logs stay."""
    wrong = replace(SOUND, **{name: 1})

    code = cli._report([result(ROWS[0]), result(ROWS[1], wrong)], 1, 3.0, tmp_path)

    out = capsys.readouterr().out
    assert code == 1
    assert f"FAILED: {ROWS[1].name}: {problem}" in out
    assert str(tmp_path) in out
    assert [row["ok"] for row in json.loads(out.splitlines()[-1])["rows"]] == [True, False]


def test_a_fault_that_never_struck_fails_the_run(tmp_path: Path) -> None:
    """Such a row proves nothing."""
    assert cli._report([result(ROWS[0], struck=0)], 1, 3.0, tmp_path) == 1


@pytest.mark.parametrize("arguments", [["--scale", "0"], ["--scale", "x"], ["--row", "no-such-row"]])
def test_an_invalid_command_line_is_refused(arguments: list[str]) -> None:
    """With argparse's status, before anything is started."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
