"""One row of `make chaos` with all its processes."""

import json
from pathlib import Path

import pytest

from local.chaos.cli import main
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
    assert (code, row["offered"], row["delivered"], row["dead"]) == (0, 100, 98, 2)
    assert list(tmp_path.iterdir()) == []
