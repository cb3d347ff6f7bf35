"""A pytest plugin for `make mutation`: the quickest tests first, so that most mutants end at once."""

import json
from pathlib import Path

import pytest

# mutmut writes it when it has run all tests once.
_DURATIONS = Path("mutmut-stats.json")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by what mutmut measured; tests that it has not measured keep their order."""
    if _DURATIONS.exists():
        took_s = json.loads(_DURATIONS.read_text())["duration_by_test"]
        items.sort(key=lambda item: took_s.get(item.nodeid, 0.0))
