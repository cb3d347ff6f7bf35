"""Edge: the days of an export, one file each; a day that comes incomplete is asked for again."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from whyness_ops.audit.export_body import Incomplete, whole_lines
from whyness_ops.audit.export_client import Answer, NoAnswer
from whyness_ops.audit.export_pace import Pace
from whyness_ops.audit.project_time import day_name
from whyness_ops.errors import NotJudged, Stopped
from whyness_ops.files import private

# Each day is asked for once, and again after these waits.
_WAITS_S = (2.0, 10.0, 30.0)
_MOST_WAIT_S = 3_600.0
NOTHING_JUDGED = "Stopped. Nothing was judged."
_OK, _TOO_MANY, _SERVER = 200, 429, 500
# What no other try can help.
_REFUSALS = {
    400: "Check --project and --zone.",
    401: "Check AUDIT_ACCOUNT and AUDIT_PASSWORD, the project, and its region.",
    402: "The project's plan has no raw export.",
    403: "Give the service account the role Consumer in this project.",
    404: "Check the export's address.",
}


class Ask(Protocol):
    """Asks Mixpanel for a day."""

    def __call__(self, day: str, /) -> AbstractContextManager[Answer]:
        """Return the answer."""


class Export(NamedTuple):
    """What came.

    Args:
        files: of the complete days, with clean lines.
        incomplete: why a local day is not complete.
    """

    files: list[Path]
    incomplete: dict[int, str]


class _TryAgain(Exception):
    def __init__(self, why: str, *, wait_s: float = 0.0, has_body: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.has_body = has_body


@dataclass(frozen=True, slots=True)
class DayReader:
    """Reads the export, day by day.

    Args:
        ask: for a day.
        pace: of the requests.
        note: shows a line of progress.
        is_stopped: whether to stop before the next request.
    """

    ask: Ask
    pace: Pace
    note: Callable[[str], object]
    is_stopped: Callable[[], bool] = lambda: False

    def read(self, days: Iterable[int], directory: Path) -> Export:
        """Write the export of each day to a file of its own.

        Raises:
            NotJudged: Mixpanel refuses or gives no export.
            Stopped: a person stopped it.
        """
        export = Export([], {})
        for day in days:
            path = directory / f"{day_name(day)}.jsonl"
            if why := self._read_patiently(day_name(day), path):
                export.incomplete[day] = why
                self.note(f"{day_name(day)} is incomplete: {why}.")
            else:
                export.files.append(path)
        return export

    def _read_patiently(self, day: str, path: Path) -> str:
        """Return why the day is incomplete after all tries; nothing if it is complete."""
        for wait_s in (*_WAITS_S, None):
            self.pace.before_request()
            if self.is_stopped():
                raise Stopped(NOTHING_JUDGED)
            try:
                rows = _read(day, self.ask, path)
            except _TryAgain as trouble:
                path.unlink(missing_ok=True)
                if wait_s is not None:
                    self.pace.pause(max(wait_s, trouble.wait_s), f"{day}: {trouble}")
                    continue
                return _given_up(day, trouble)
            self.note(f"{day}: {rows} exported events")
            return ""
        raise AssertionError  # the last try returns


def _given_up(day: str, trouble: _TryAgain) -> str:
    if trouble.has_body:
        return str(trouble)
    text = f"Mixpanel gave no export of {day} in {len(_WAITS_S) + 1} tries: {trouble}."
    raise NotJudged(f"{text} Nothing is reported as missing.")


def _read(day: str, ask: Ask, path: Path) -> int:
    try:
        with ask(day) as answer:
            _check(answer)
            with open(path, "wb", opener=private) as file:
                return _write(answer, file.write)
    except Incomplete as trouble:
        raise _TryAgain(str(trouble), has_body=True) from None
    except NoAnswer as trouble:
        raise _TryAgain(str(trouble)) from None


def _write(answer: Answer, write: Callable[[bytes], object]) -> int:
    rows = 0
    for lines in whole_lines(answer.body, is_gzip=answer.is_gzip):
        write(lines)
        rows += lines.count(b"\n")
    return rows


def _check(answer: Answer) -> None:
    status = answer.status
    if status == _OK:
        return
    if status == _TOO_MANY:
        raise _TryAgain("it answers 429, too many requests", wait_s=min(answer.retry_after_s, _MOST_WAIT_S))
    if status >= _SERVER:
        raise _TryAgain(f"it answers {status}", wait_s=min(answer.retry_after_s, _MOST_WAIT_S))
    hint = _REFUSALS.get(status, "Check the export's address.")
    raise NotJudged(f"Mixpanel refuses the export with {status}. {hint} Nothing is reported as missing.")
