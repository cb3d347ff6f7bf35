"""The two halves of the probe: ask Mixpanel each case, and later read what became of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from whyness_ops.errors import SetupFault
from whyness_ops.probe import later
from whyness_ops.probe.case import ABSENT, Case, Request, Run, body_of, events_of
from whyness_ops.probe.probe_answers import Answer, message, summary
from whyness_ops.probe.row import Row
from whyness_ops.probe.scratch_project import Credentials, Mixpanel, TooLate

_PAUSE_S = 0.5  # three exports a second are allowed
_WIDEST_DAYS = 3  # from tomorrow in the east to yesterday in the west
_MOST_SHOWN = 200
_SERVER_FAULT = 500

Sleep = Callable[[float], object]


def ask(mixpanel: Mixpanel, run: Run, case: Case) -> Row:
    """Send the requests of a case."""
    answers = [_send(mixpanel, run, case, at) for at in range(len(case.requests))]
    expected = "; then ".join(request.expected for request in case.requests)
    said = next(filter(None, map(message, answers)), "")
    shown = mixpanel.credentials.removed(said)[:_MOST_SHOWN]
    says = "; then ".join(map(summary, answers))
    # An answer as expected is in our own words: a short account name may stand in them by chance.
    says = says if says == expected else mixpanel.credentials.removed(says)
    return Row(case.name, expected, says, case.source, shown)


def check(mixpanel: Mixpanel, run: Run, case: Case) -> Row:
    """Ask the first case, an ordinary event, without which the others tell nothing.

    Raises:
        SetupFault: Mixpanel cannot be reached, or refuses the account.
    """
    row = ask(mixpanel, run, case)
    status = row.says.partition(",")[0]
    if not status.isdigit() or int(status) >= _SERVER_FAULT:
        raise SetupFault(f"Mixpanel cannot be reached: {row.says}.")
    if status in {"401", "403"}:
        raise SetupFault(
            f"Mixpanel answers {status}: the account, its password, the project or the region is wrong."
        )
    return row


def read_back(mixpanel: Mixpanel, run: Run, cases: Sequence[Case], sleep: Sleep = time.sleep) -> list[Row]:
    """Return what the export holds of the cases.

    Raises:
        SetupFault: Mixpanel cannot be reached, refuses the account, or breaks off.
    """
    events = _exported(mixpanel, later.days(run, cases), sleep)
    rows = later.compared(run, cases, later.collected(run, events))
    removed = mixpanel.credentials.removed
    return [
        Row(row.case, row.expected, removed(row.says), row.source) if row.differs else row for row in rows
    ]


def _exported(
    mixpanel: Mixpanel, periods: Sequence[tuple[date, date]], sleep: Sleep
) -> Iterator[dict[str, Any]]:
    for first, last in periods:
        for back in range(_WIDEST_DAYS):
            end = last - timedelta(days=back)
            try:
                yield from mixpanel.export(min(first, end).isoformat(), end.isoformat())
                break
            except TooLate:
                sleep(_PAUSE_S)
        else:
            raise SetupFault(f"Mixpanel's export says that {end} has not begun: check this machine's clock.")
        sleep(_PAUSE_S)


def _send(mixpanel: Mixpanel, run: Run, case: Case, at: int) -> Answer:
    request: Request = case.requests[at]
    query = {"strict": "1", "project_id": mixpanel.project, **request.query}
    body, headers = body_of(events_of(run, case, at), request.form)
    if request.has_wrong_password:
        headers["Authorization"] = Credentials(mixpanel.credentials.account, "wrong").header()
    return mixpanel.post({name: v for name, v in query.items() if v is not ABSENT}, headers, body)
