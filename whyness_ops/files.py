"""Edge: a file with personal data: complete or absent, readable by its owner alone, never through a link."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from whyness_ops.errors import FileFault

_OWNER_ALONE = 0o600


def private(path: str, flags: int) -> int:
    """Open a file that its owner alone can read: an opener for `open`."""
    return os.open(path, flags, _OWNER_ALONE)


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[IO[str]]:
    """Yield a file that gets its name at the end, unless an exception is raised.

    Args:
        path: its name; the directory must exist.
        force: replace a file of this name; a link is replaced itself.

    Raises:
        FileFault: the name is taken, or the file cannot be written.
    """
    unfinished: Path | None = None
    try:
        _check_name(path, force=force)
        # Exclusive, and under a name that cannot be guessed.
        descriptor, name = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
        unfinished = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, _OWNER_ALONE)  # whatever the umask
            yield file
        if not force:
            _take_name(path)
        unfinished.replace(path)
    except FileExistsError as error:
        raise FileFault(f"{path} already exists. Give another name, or --force to replace it.") from error
    except OSError as error:
        raise FileFault(
            f"{path} cannot be written: {error.strerror}. Check the path, or give another."
        ) from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _check_name(path: Path, *, force: bool) -> None:
    """Raise an OSError before any work is done, if the name cannot be used."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return  # or the directory does not exist, which the caller finds at once
    if not force:
        raise FileExistsError
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(0, "it is not a regular file")


def _take_name(path: Path) -> None:
    """Raise FileExistsError if the name has been taken meanwhile."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OWNER_ALONE))
