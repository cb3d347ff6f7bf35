"""The page of the benchmark's results."""

import importlib.util
import sys

import pytest

from bench import __main__ as command


def test_missing_matplotlib_is_named_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes of measuring would be lost."""
    monkeypatch.setattr(sys, "argv", ["bench", "--write-docs"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(command, "_measure", None)  # would raise

    with pytest.raises(SystemExit, match=r"requirements/bench\.txt"):
        command.main()
