"""Edge: the checks of `doctor` that read the function's log of the last hour."""

from collections import Counter

from whyness_events.outcomes import DEAD_REASONS, Reason
from whyness_ops.watch.flow import Flow
from whyness_ops.watch.log_lines import AWS_REFUSED, INVOCATION, NOT_DELIVERED, Line
from whyness_ops.watch.log_poller import LogPoller
from whyness_ops.watch.scope import Scope
from whyness_ops.watch.status import Row, duration

LOG_HOURS = 1
_MOST_REFUSALS = 5
_GRAVE = {str(reason) for reason in (*DEAD_REASONS, Reason.SETUP)}
_UNAUTHORIZED = 401
_BREAKER_GUIDE = "docs/runbook.md#breaker-open"


def refusals(scope: Scope) -> Row:
    """Check what was not delivered, or refused by AWS; what passes by itself is no fault."""
    lines = _log(scope)
    counts = Counter(_refusal(line) for line in lines if line.message != INVOCATION)
    texts = [f"{text} ({count} times)" for text, count in counts.most_common(_MOST_REFUSALS)]
    if not texts:
        return Row("refusals", "well", f"none in the last {LOG_HOURS} h")
    grave = [line for line in lines if line.message == AWS_REFUSED or line.fields.get("reason") in _GRAVE]
    told = "; ".join(texts)
    return Row("refusals", "ill", told, "docs/runbook.md#reasons") if grave else Row("refusals", "well", told)


def _refusal(line: Line) -> str:
    names = ("reason", "detail") if line.message == NOT_DELIVERED else ("aws_service", "operation", "code")
    return " ".join(str(line.fields.get(name, "")) for name in names).strip()


def credentials(scope: Scope) -> Row:
    """Check whether Mixpanel takes the credentials: a 401 that no delivery has followed is a fault."""
    lines = _log(scope)
    refused = [line for line in lines if line.fields.get("http_status") == _UNAUTHORIZED]
    delivered = [line for line in lines if line.outcomes.get(str(Reason.DELIVERED))]
    if not refused:
        return Row("credentials", "well", f"no 401 from Mixpanel in the last {LOG_HOURS} h")
    text = f"Mixpanel answered 401, last {duration((scope.now_ms - refused[-1].time_ms) / 1000)} ago"
    if delivered and delivered[-1].time_ms > refused[-1].time_ms:
        return Row("credentials", "well", f"{text}; delivered since")
    return Row("credentials", "ill", text, "docs/how-to/rotate-credentials.md")


def delivery(scope: Scope) -> Row:
    """Check the last delivery, and the breaker."""
    flow = Flow()
    flow.add(_log(scope))
    if flow.last_invocation_ms is None:
        return Row("delivery", "well", f"the function was not invoked in the last {LOG_HOURS} h")
    if flow.is_breaker_open:
        return Row("delivery", "ill", "the breaker is open: Mixpanel refuses the setup", _BREAKER_GUIDE)
    if flow.last_delivery_ms is None:
        return Row("delivery", "ill", f"none in the last {LOG_HOURS} h", "docs/runbook.md#nothing-delivered")
    ago = duration((scope.now_ms - flow.last_delivery_ms) / 1000)
    return Row("delivery", "well", f"last {ago} ago, lag {duration(flow.lag_ms / 1000)}; breaker closed")


def _log(scope: Scope) -> list[Line]:
    since_ms = scope.now_ms - LOG_HOURS * 3_600_000
    return LogPoller(scope.aws.logs, scope.stack.need("log_group"), since_ms).poll()
