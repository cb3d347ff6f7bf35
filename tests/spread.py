"""The order in which tests keep several workers busy: what waits and what computes, at all times."""

from collections.abc import Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Protocol, TypeVar

_QUICK = Path(__file__).parent / "unit"


class _InAFile(Protocol):
    @property
    def path(self) -> Path: ...


Test = TypeVar("Test", bound=_InAFile)


def spread(tests: Sequence[Test], worker_count: int) -> list[Test]:
    """Return the tests so that each worker begins with its share of the files that are not in tests/unit.

    pytest-xdist gives each worker a slice of the list, and a worker that is done takes from the end of
    another's: there are the thousands of quick tests, so that all end together.
    """
    quick = iter([test for test in tests if test.path.is_relative_to(_QUICK)])
    slow = [test for test in tests if not test.path.is_relative_to(_QUICK)]
    files = [list(in_file) for _, in_file in groupby(slow, key=lambda test: test.path)]
    order: list[Test] = []
    for worker in range(worker_count):
        order += [test for in_file in files[worker::worker_count] for test in in_file]
        end = len(tests) * (worker + 1) // worker_count
        order += islice(quick, max(0, end - len(order)))
    return order
