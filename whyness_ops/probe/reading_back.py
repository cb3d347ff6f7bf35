"""The second half of the probe: what became of its events, read as the audit reads an export."""

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from whyness_ops.audit.export_body import Incomplete, whole_lines
from whyness_ops.audit.export_client import ExportClient, NoAnswer
from whyness_ops.audit.export_days import Ask
from whyness_ops.errors import SetupFault
from whyness_ops.probe import later
from whyness_ops.probe.case import Case, Run
from whyness_ops.probe.row import Row
from whyness_ops.probe.scratch_project import Credentials, Mixpanel

_PAUSE_S = 0.5  # three exports a second are allowed
_OK, _BAD = 200, 400
_ADVICE = {_BAD: "check the project and this machine's clock", 429: "60 exports an hour are allowed"}

Sleep = Callable[[float], object]


def client(mixpanel: Mixpanel) -> ExportClient:
    """Return who asks for the export of the project."""
    of = mixpanel.credentials
    return ExportClient(mixpanel.export_url, int(mixpanel.project), of.account, of.password)


def read_back(
    ask: Ask, credentials: Credentials, run: Run, cases: Sequence[Case], sleep: Sleep = time.sleep
) -> list[Row]:
    """Return what the export holds of the cases.

    Args:
        ask: for a day of the export.
        credentials: which are shown nowhere, whatever the export holds.
        run: that sent the cases.
        cases: which of them.
        sleep: waits between two requests.

    Raises:
        SetupFault: Mixpanel cannot be reached, refuses the account, or breaks off.
    """
    events = _exported(ask, later.days(run, cases), later.first_day_ahead(run), sleep)
    rows = later.compared(run, cases, later.collected(run, events))
    removed = credentials.removed
    return [
        Row(row.case, row.expected, removed(row.says), row.source) if row.differs else row for row in rows
    ]


def _exported(ask: Ask, days: Iterable[date], ahead: date, sleep: Sleep) -> Iterator[dict[str, Any]]:
    for day in days:
        yield from _of_day(ask, day, may_be_ahead=day >= ahead)
        sleep(_PAUSE_S)


def _of_day(ask: Ask, day: date, *, may_be_ahead: bool) -> Iterator[dict[str, Any]]:
    try:
        with ask(day.isoformat()) as answer:
            if not (may_be_ahead and answer.status == _BAD):  # it refuses a day that has not begun
                _check(answer.status)
                for lines in whole_lines(answer.body, is_gzip=answer.is_gzip):
                    yield from map(json.loads, io.BytesIO(lines))
    except (Incomplete, NoAnswer) as trouble:
        raise SetupFault(f"The export of {day} failed: {trouble}. Repeat it in a minute.") from None


def _check(status: int) -> None:
    if status != _OK:
        advice = _ADVICE.get(status, "check the account, its role, the project and the region")
        raise SetupFault(f"Mixpanel's export answers {status}: {advice}.")
