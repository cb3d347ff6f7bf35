"""Edge: the file that the first call of the probe leaves for the second; it holds no credential."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from whyness_events.version import __version__
from whyness_ops.errors import UsageFault
from whyness_ops.files import new_file
from whyness_ops.probe.case import Case, Run

_MOST_BYTES = 2**20
_LATEST_MS = 4_000_000_000_000  # in the year 2096


@dataclass(frozen=True, slots=True)
class Record:
    """What was asked, and of which project.

    Attributes:
        table: tells whether the cases are still the same.
        asked: names of the cases.
    """

    project: str
    run_id: str
    started_ms: int
    table: str
    asked: list[str]

    @property
    def run(self) -> Run:
        """The run that it is of."""
        return Run(self.run_id, self.started_ms)


def table_of(cases: Sequence[Case]) -> str:
    """Return a digest of the cases."""
    names = "\n".join(f"{case.name} {len(request.events)}" for case in cases for request in case.requests)
    return hashlib.sha256(f"{__version__}\n{names}".encode()).hexdigest()[:16]


def write(record: Record, path: Path, *, force: bool) -> None:
    """Write the file.

    Raises:
        FileFault: it exists, or cannot be written.
    """
    with new_file(path, force=force) as file:
        json.dump(asdict(record), file)


def read(path: Path, cases: Sequence[Case]) -> Record:
    """Return what the first call left.

    Raises:
        UsageFault: the file cannot be read, or is of another version of the command.
    """
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_MOST_BYTES))
        record = Record(**found)
        texts = [record.project, record.run_id, *record.asked]
        is_one = (
            type(record.started_ms) is int
            and 0 < record.started_ms < _LATEST_MS
            and all(isinstance(text, str) for text in texts)
        )
    except OSError as error:
        raise UsageFault(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, TypeError, RecursionError):
        is_one = False
    if not is_one or record.table != table_of(cases):
        raise UsageFault(f"{path} is not a file of this version's probe. Run the probe again.")
    return record
