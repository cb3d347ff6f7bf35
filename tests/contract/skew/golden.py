"""What released versions wrote, and how it was recorded.

`tests/contract/golden/VERSION` has, added once and never edited:

- `COMMIT`: the version's commit. Its code wrote the other files, in a worktree of that commit with an
  emulator (`make .venv-emulator/stamp`): `PYTHONPATH=functions/send_events:. python RECORDER FOLDER`; the
  recorder is today's `tests/contract/record_golden.py`. `SHA256SUMS` has their sums (`sha256sum *.json`).
- `messages.json`: bodies as the publisher packed them, one of them redriven, with its log key.
- `outbox.json`: rows, column by column, pending and parked; `is_released`: whether a parked one keeps the
  rules; a pending one is.
- `dead_letters.json`: dead letters as SQS hands them out; `may_count`: an edit of the deduplication fields is
  refused.
- `log.json`: rows of the Log as DynamoDB has them.

`sent` is, everywhere, what the version itself made of it in the end: `event`, `distinct_id`, `time` and
`$insert_id` of each event that Mixpanel got. Ids and times are made up, and there are no people in it. Texts
that fill a message are compressed.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = ("messages", "outbox", "dead_letters", "log")

Cases = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Recording:
    """The files of one version, or of today's code."""

    folder: Path

    @cached_property
    def messages(self) -> Cases:
        """Of the queue, by name."""
        return dict(self._read("messages"))

    @cached_property
    def outbox(self) -> Cases:
        """Rows by name."""
        return dict(self._read("outbox"))

    @cached_property
    def dead_letters(self) -> Cases:
        """Letters by name."""
        return dict(self._read("dead_letters"))

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """Rows as DynamoDB writes them."""
        return list(self._read("log"))

    @property
    def commit(self) -> str:
        """The version's commit."""
        return (self.folder / "COMMIT").read_text().strip()

    @property
    def sums(self) -> str:
        """The digests of the files, as `sha256sum *.json` prints them."""
        paths = sorted(self.folder.glob("*.json"))
        return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)

    def outbox_of(self, state: str) -> Cases:
        """Return the rows in `state`, each under an id of its own."""
        found = {name: case for name, case in self.outbox.items() if case["row"]["state"] == state}
        return {
            name: {**case, "row": {**case["row"], "id": n}}
            for n, (name, case) in enumerate(found.items(), start=1)
        }

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text(), object_hook=_unpacked)


def sent(cases: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the four fields of all events of `cases`, each once, sorted."""
    return sorted({tuple(fields) for case in cases for fields in case["sent"]})


def texts(letter: Mapping[str, Any]) -> dict[str, str]:
    """Return a letter's attributes."""
    return {n: a["StringValue"] for n, a in letter["message"]["MessageAttributes"].items()}


def _unpacked(found: dict[str, Any]) -> Any:
    if set(found) == {"zlib"}:
        return zlib.decompress(base64.b64decode(found["zlib"])).decode()
    return found


RELEASED = [Recording(path) for path in sorted(GOLDEN.glob("[0-9]*"))]
every_release = pytest.mark.parametrize("release", RELEASED, ids=lambda release: release.folder.name)
