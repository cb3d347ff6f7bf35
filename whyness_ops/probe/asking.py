"""The first half of the probe: ask Mixpanel each case."""

from whyness_ops.errors import SetupFault
from whyness_ops.probe.case import ABSENT, Case, Request, Run, body_of, events_of
from whyness_ops.probe.probe_answers import Answer, message, summary
from whyness_ops.probe.row import Row
from whyness_ops.probe.scratch_project import Credentials, Mixpanel

_MOST_SHOWN = 200
_SERVER_FAULT = 500


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


def _send(mixpanel: Mixpanel, run: Run, case: Case, at: int) -> Answer:
    request: Request = case.requests[at]
    query = {"strict": "1", "project_id": mixpanel.project, **request.query}
    body, headers = body_of(events_of(run, case, at), request.form)
    if request.has_wrong_password:
        headers["Authorization"] = Credentials(mixpanel.credentials.account, "wrong").header()
    return mixpanel.post({name: v for name, v in query.items() if v is not ABSENT}, headers, body)
