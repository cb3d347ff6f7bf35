import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from whyness_ops.errors import FileFault
from whyness_ops.files import new_file

EARLIER, NEW = "earlier", "new"


def write(path: Path, *, force: bool = False) -> None:
    """Write the file."""
    with new_file(path, force=force) as file:
        file.write(NEW)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def a_file(path: Path) -> None:
    """Make one."""
    path.write_text(EARLIER)


def a_link(path: Path) -> None:
    """Make one to a file that everybody reads."""
    target = path.with_name("target")
    target.write_text(EARLIER)
    target.chmod(0o644)
    path.symlink_to(target)


def a_link_to_nothing(path: Path) -> None:
    """Make one."""
    path.symlink_to(path.with_name("target"))


def a_folder(path: Path) -> None:
    """Make one."""
    path.mkdir()


def a_pipe(path: Path) -> None:
    """Make one."""
    os.mkfifo(path)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path, mask: int, *, force: bool) -> None:
    """While it is written too."""
    path = tmp_path / "dead.jsonl"

    with umask(mask), new_file(path, force=force) as file:
        (unfinished,) = tmp_path.iterdir()
        during = stat.S_IMODE(unfinished.stat().st_mode)
        file.write(NEW)

    assert (during, stat.S_IMODE(path.stat().st_mode), path.read_text()) == (0o600, 0o600, NEW)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [a_file, a_link, a_link_to_nothing, a_folder, a_pipe])
def test_what_is_there_stays(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Whatever it is: nothing is overwritten, and nothing written through a link."""
    path = tmp_path / "dead.jsonl"
    make(path)
    before = {each: each.lstat() for each in tmp_path.iterdir()}

    with pytest.raises(FileFault, match="already exists"):
        write(path)

    assert {each: each.lstat() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("make", [a_file, a_link, a_link_to_nothing])
def test_force_replaces_the_file_or_the_link_itself(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """What a link points to stays as it is."""
    path, target = tmp_path / "dead.jsonl", tmp_path / "target"
    make(path)
    had_target = target.exists()

    write(path, force=True)

    assert not path.is_symlink()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (NEW, 0o600)
    assert target.exists() == had_target
    assert not had_target or target.read_text() == EARLIER


@pytest.mark.parametrize("make", [a_folder, a_pipe])
def test_force_replaces_nothing_else(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A folder or a device was named by mistake."""
    path = tmp_path / "dead.jsonl"
    make(path)

    with pytest.raises(FileFault, match="not a regular file"):
        write(path, force=True)

    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [a_file, a_link_to_nothing])
def test_a_name_that_is_taken_meanwhile_stays(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Somebody made it after the first look."""
    path = tmp_path / "dead.jsonl"

    with pytest.raises(FileFault, match="already exists"), new_file(path, force=False):
        make(path)

    assert list(tmp_path.iterdir()) == [path]
    assert path.is_symlink() or path.read_text() == EARLIER


@pytest.mark.parametrize("name", ["missing/dead.jsonl", "file/dead.jsonl", "x" * 300, ".", "..", "/"])
@pytest.mark.parametrize("force", [False, True])
def test_a_name_that_cannot_be_had_is_a_sentence(tmp_path: Path, name: str, *, force: bool) -> None:
    """No folder is made, and nothing is left."""
    (tmp_path / "file").write_text(EARLIER)

    with pytest.raises(FileFault, match=r"cannot be written|already exists"):
        write(tmp_path / name, force=force)

    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """What was written until then goes."""
    path = tmp_path / "dead.jsonl"

    with pytest.raises(FileFault, match="No space left"), new_file(path, force=False):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert list(tmp_path.iterdir()) == []


def test_what_ends_it_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C twice, or a bug."""
    with pytest.raises(KeyboardInterrupt), new_file(tmp_path / "x", force=False):
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []
