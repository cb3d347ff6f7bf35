"""Each test is run once, and no worker waits for another's slow ones."""

from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.spread import spread

TESTS = Path(__file__).parents[1]
FOLDERS = st.lists(st.sampled_from(["unit", "infra", "integration/django"]), max_size=30)


class Case(NamedTuple):
    """A test in a file."""

    path: Path
    number: int


def cases(folder: str, file_count: int, each: int) -> list[Case]:
    """Return the tests of some files."""
    files = [TESTS / folder / f"test_{n}.py" for n in range(file_count)]
    return [Case(file, number) for file in files for number in range(each)]


@given(FOLDERS, st.integers(1, 6), st.data())
def test_every_test_is_there_once(folders: list[str], worker_count: int, data: st.DataObject) -> None:
    """However many of either kind there are."""
    files = [TESTS / folder / f"test_{n}.py" for n, folder in enumerate(folders)]
    tests = [Case(file, n) for file in files for n in range(data.draw(st.integers(0, 4)))]

    assert sorted(spread(tests, worker_count)) == sorted(tests)


def test_each_worker_begins_with_its_share_of_the_slow_files() -> None:
    """Whole files, so that what a file's tests share is made once; the quick tests come behind."""
    tests = [*cases("integration", 4, 5), *cases("unit", 4, 15)]

    first, second = (spread(tests, 2)[worker * 40 : worker * 40 + 40] for worker in range(2))

    assert [case.path.name for case in first[:10]] == ["test_0.py"] * 5 + ["test_2.py"] * 5
    assert [case.path.name for case in second[:10]] == ["test_1.py"] * 5 + ["test_3.py"] * 5
    assert {case.path.parent.name for case in (*first[10:], *second[10:])} == {"unit"}
