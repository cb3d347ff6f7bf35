"""Pure: facts into the rows of one screen, each well, ill or unknown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from whyness_ops import output
from whyness_ops.audit.audit_line import line_text
from whyness_ops.audit.verdicts import ACCOUNTED
from whyness_ops.stack import Stack
from whyness_ops.watch.facts import NOT_HERE, Alarm, Deployment, Facts
from whyness_ops.watch.flow import KEPT_S, Flow
from whyness_ops.watch.gather import Unknown

Verdict = Literal["well", "ill", "unclear", "not here"]
_RATE_WINDOW_S = 300
_OLDEST_WELL_S = 900
_RUNBOOK = "docs/runbook.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is about, how it is, in words, and what to do where it is not well."""

    name: str
    verdict: Verdict
    text: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The rows, and whether all of them are well. What this machine cannot know does not count."""

    stack: str
    rows: tuple[Row, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is ill, and nothing unknown that AWS could tell."""
        return all(row.verdict in ("well", "not here") for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"stack": self.stack, "is_well": self.is_well, "rows": [asdict(row) for row in self.rows]}


def assess(stack: Stack, facts: Facts, now_ms: int) -> Status:
    """Return how the stack is."""
    rows = [
        _row("delivery", facts.flow, lambda flow: _delivery(flow, facts, now_ms)),
        _row("queue", facts.queue, lambda _: _queue(facts)),
        _row("dead letters", facts.dead_letters, lambda _: _dead_letters(facts)),
        _row("breaker", facts.flow, _breaker),
        _row("alarms", facts.alarms, _alarms),
        _row("mapping", facts.mapping, _mapping),
        _row("deployed", facts.deployment, _deployed),
        *_outboxes(facts.outboxes),
    ]
    name = stack.name or ("the demo on this machine" if stack.is_local else "stack named by its parts")
    return Status(name, tuple(rows))


def status_text(found: Mapping[str, Any]) -> str:
    """Return it for people."""
    heading = "All is well" if found["is_well"] else "Not well"
    return f"{output.title(found['stack'])}: {heading}.\n{rows_text(found['rows'])}"


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table, and what to do about them."""
    signs = {"well": "ok", "ill": "!!", "unclear": "??", "not here": "--"}
    cells = [{"": signs[row["verdict"]], "what": row["name"], "now": row["text"]} for row in rows]
    lines = [output.table(cells, ("", "what", "now"))]
    lines += [f"Fix {row['name']}: {row['do']}" for row in rows if row["do"]]
    return "\n".join(lines)


def _row(name: str, fact: Any, of_fact: Callable[[Any], Row]) -> Row:
    if isinstance(fact, Unknown):
        return Row(name, "not here" if fact == NOT_HERE else "unclear", fact.why)
    return of_fact(fact)


def _delivery(flow: Flow, facts: Facts, now_ms: int) -> Row:
    received, delivered = flow.rates(now_ms, _RATE_WINDOW_S)
    rates = f"in {received:.1f}/s, out {delivered:.1f}/s over {_RATE_WINDOW_S // 60} minutes"
    if flow.last_delivery_ms is not None:
        ago = duration((now_ms - flow.last_delivery_ms) / 1000)
        text = f"last {ago} ago, lag {duration(flow.lag_ms / 1000)}; {rates}"
    else:
        text = f"none in {KEPT_S // 60} minutes; {rates}"
    is_tried = any(second.outcomes for second in flow.seconds.values())
    if flow.last_delivery_ms is None and (is_tried or _waiting(facts)):
        return Row("delivery", "ill", text, f"whyness-mixpanel doctor; {_RUNBOOK}#nothing-delivered")
    return Row("delivery", "well", text)


def _waiting(facts: Facts) -> int:
    return 0 if isinstance(facts.queue, Unknown) else facts.queue.visible + facts.queue.hidden


def _queue(facts: Facts) -> Row:
    assert not isinstance(facts.queue, Unknown)  # noqa: S101  (_row has asked)
    text = f"{facts.queue.visible} waiting, {facts.queue.hidden} hidden"
    if isinstance(facts.metrics, Unknown):
        is_here = facts.metrics != NOT_HERE
        return Row("queue", "unclear" if is_here else "well", f"{text}, oldest: {facts.metrics.why}")
    text += f", oldest {duration(facts.metrics.queue_age_s)}"
    is_old = facts.metrics.queue_age_s > _OLDEST_WELL_S
    return Row("queue", "ill", text, f"{_RUNBOOK}#backlog-age") if is_old else Row("queue", "well", text)


def _dead_letters(facts: Facts) -> Row:
    assert not isinstance(facts.dead_letters, Unknown)  # noqa: S101  (_row has asked)
    count = facts.dead_letters.visible + facts.dead_letters.hidden
    if not count:
        return Row("dead letters", "well", "none")
    text = str(count)
    if not isinstance(facts.metrics, Unknown):
        reasons = ", ".join(f"{number} {reason}" for reason, number in facts.metrics.dead.items())
        text += f", oldest {duration(facts.metrics.dead_age_s)}; new in 24 hours: {reasons or 'none'}"
    return Row("dead letters", "ill", text, f"whyness-mixpanel dlq list; {_RUNBOOK}#dead-letters")


def _breaker(flow: Flow) -> Row:
    if flow.is_breaker_open:
        return Row("breaker", "ill", "open: Mixpanel refuses the set-up", f"{_RUNBOOK}#breaker-open")
    return Row("breaker", "well", "closed")


def _alarms(alarms: Sequence[Alarm]) -> Row:
    if not alarms:
        return Row("alarms", "well", "none rings")
    text = "; ".join(f"{alarm.name} since {_moment(alarm.since)}" for alarm in alarms)
    return Row("alarms", "ill", text, " ".join(f"{_RUNBOOK}#{alarm.name}" for alarm in alarms))


def _mapping(state: str) -> Row:
    if state == "Enabled":
        return Row("mapping", "well", "enabled")
    return Row("mapping", "ill", f"{state.lower()}: nothing is sent", "whyness-mixpanel resume")


def _deployed(deployment: Deployment) -> Row:
    text = f"{deployment.revision or 'revision not known'}, since {_moment(deployment.at)}"
    text += f", by {deployment.by}" if deployment.by else ""
    if deployment.status.endswith("_COMPLETE") and "ROLLBACK" not in deployment.status:
        return Row("deployed", "well", text)
    return Row("deployed", "ill", f"{text} ({deployment.status})", "docs/how-to/deploy.md")


def _outboxes(outboxes: Mapping[str, Mapping[str, Any] | Unknown]) -> Iterator[Row]:
    for url, health in outboxes.items():
        yield _row("outbox", health, partial(_outbox, url))
        if not isinstance(health, Unknown) and "audit" in health:  # older versions of a site say nothing
            yield _audit(health["audit"])


def _outbox(url: str, health: Mapping[str, Any]) -> Row:
    databases = [figures for figures in health.get("databases", {}).values() if isinstance(figures, Mapping)]
    pending, parked = (
        sum(int(figures.get(key) or 0) for figures in databases) for key in ("pending", "parked")
    )
    text = f"{url}: {pending} pending, {parked} parked"
    notes = [str(note) for note in health.get("warnings", ())] + (
        [str(health["error"])] if "error" in health else []
    )
    if health.get("ok") and not parked and not notes:
        return Row("outbox", "well", text)
    return Row("outbox", "ill", "; ".join([text, *notes]), "manage.py mixpanel_outbox status, at that site")


def _audit(line: object) -> Row:
    if not isinstance(line, Mapping):
        return Row("audit", "not here", "never audited")
    text, is_well = line_text(line), line.get("exit_code") == ACCOUNTED
    return Row("audit", "well", text) if is_well else Row("audit", "ill", text, f"{_RUNBOOK}#audit-fault")


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits it."""
    seconds = max(0.0, seconds)  # the two clocks may differ
    for size_s, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
