"""The gate on instructions: what it lets through, and what it records."""

from pathlib import Path

import pytest

from bench import instructions


@pytest.mark.parametrize(
    ("count", "is_fine"),
    [(50_000, True), (100_000, True), (103_000, True), (103_001, False), (200_000, False)],
)
def test_more_than_three_percent_fails(count: int, *, is_fine: bool) -> None:
    """Fewer instructions never do."""
    found, line = instructions.verdict("packed", count, 100_000)

    assert found is is_fine
    assert f"{count:,}" in line


def test_a_record_keeps_the_figures_of_other_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of Python and processor has its own figures; writing one keeps the others."""
    monkeypatch.setattr(instructions, "RECORD", tmp_path / "instructions.toml")
    for name in ("python3.11-x86_64", "python3.13-aarch64"):
        monkeypatch.setattr(instructions, "key", lambda name=name: name)
        instructions.write({"packed": 51_000, "single": 79_000})

    text = instructions.RECORD.read_text()

    assert text.count("packed = 51000\nsingle = 79000\n") == 2


def test_what_is_recorded_covers_this_project() -> None:
    """The record in the repository has the Python that `make check` runs on."""
    assert '["python3.11-x86_64"]' in instructions.RECORD.read_text()


def test_without_valgrind_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without it can still run `make check`."""
    monkeypatch.setattr("shutil.which", lambda _: None)

    assert "apt-get install valgrind" in instructions.missing_tool()
