"""Pure: what is known of a stack as the document that the page shows; never a payload."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from whyness_events.outcomes import DEAD_REASONS
from whyness_ops.dead_letter_queue import Depth
from whyness_ops.live.headline import judge, outcomes
from whyness_ops.watch.facts import Metrics
from whyness_ops.watch.flow import KEPT_S, Flow
from whyness_ops.watch.gather import Unknown
from whyness_ops.watch.log_lines import AWS_REFUSED, NOT_DELIVERED, Line
from whyness_ops.watch.status import duration

CHART_S, STEP_S = 300, 5
RATE_WINDOW_S = 30
_FINE_S = 10
_SHOWN_LINES, _SHOWN_FAILURES, _SHOWN_IDS, _TEXT_MOST = 10, 6, 2, 300
_MINUTES = KEPT_S // 60


class Sample(NamedTuple):
    """How many messages the queue had at a time."""

    at_ms: int
    visible: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a stack; `Unknown` where AWS does not tell, or this machine has no number.

    Args:
        samples: the queue's depth over the last minutes, oldest first.
        lines: the newest lines of the log, oldest first.
    """

    flow: Flow | Unknown
    queue: Depth | Unknown
    dead_letters: Depth | Unknown
    metrics: Metrics | Unknown
    samples: Sequence[Sample] = ()
    lines: Sequence[Line] = ()


def document(known: Known, now_ms: int) -> dict[str, Any]:
    """Return all that the page shows of a stack."""
    headline = judge(known.flow, known.queue, known.dead_letters, now_ms)
    return {
        "now_ms": now_ms,
        "headline": headline._asdict(),
        "tiles": [tile._asdict() for tile in tiles(known, now_ms)],
        "chart": chart(known, now_ms),
        "dead": dead(known),
        "invocations": _invocations(known),
        "failures": _failures(known),
    }


class Tile(NamedTuple):
    """A number: its name, its value as text, and what it counts."""

    name: str
    value: str
    note: str


_TILES = ("In", "Out", "Backlog", "In flight", "Delivered", "Dead letters", "Lag", "Breaker")


def tiles(known: Known, now_ms: int) -> list[Tile]:
    """Return the numbers at the top."""
    found = {tile.name: tile for tile in (*_flow_tiles(known.flow, now_ms), *_queue_tiles(known))}
    return [found[name] for name in _TILES]


def _flow_tiles(flow: Flow | Unknown, now_ms: int) -> list[Tile]:
    window = f"events/s over {RATE_WINDOW_S} s"
    if isinstance(flow, Unknown):
        return [
            Tile(name, "?", "the log is not known") for name in ("In", "Out", "Lag", "Delivered", "Breaker")
        ]
    received, delivered = flow.rates(now_ms, RATE_WINDOW_S)
    lag, when = "none", f"nothing delivered in {_MINUTES} min"
    if flow.last_delivery_ms is not None:
        ago_s = max(0, now_ms - flow.last_delivery_ms) / 1000
        lag_s, when = flow.lag_ms / 1000, f"of the last delivery, {duration(ago_s)} ago"
        lag = f"{lag_s:.1f} s" if lag_s < _FINE_S else duration(lag_s)
    return [
        Tile("In", f"{received:.1f}", window),
        Tile("Out", f"{delivered:.1f}", window),
        Tile("Lag", lag, when),
        Tile("Delivered", f"{outcomes(flow, now_ms, KEPT_S)['delivered']:,}", f"events in {_MINUTES} min"),
        Tile("Breaker", "open" if flow.is_breaker_open else "closed", "says the last invocation"),
    ]


def _queue_tiles(known: Known) -> list[Tile]:
    queue, letters = known.queue, known.dead_letters
    found: list[Tile] = []
    if isinstance(queue, Unknown):
        found += [
            Tile("Backlog", "?", "the queue is not known"),
            Tile("In flight", "?", "the queue is not known"),
        ]
    else:
        backlog = Tile("Backlog", f"{queue.visible + queue.hidden:,}", f"messages, {_oldest(known.metrics)}")
        found += [backlog, Tile("In flight", f"{queue.hidden:,}", "messages, hidden")]
    if isinstance(letters, Unknown):
        return [*found, Tile("Dead letters", "?", "the queue is not known")]
    return [*found, Tile("Dead letters", f"{letters.visible + letters.hidden:,}", "messages")]


def _oldest(metrics: Metrics | Unknown) -> str:
    return "oldest: not here" if isinstance(metrics, Unknown) else f"oldest {duration(metrics.queue_age_s)}"


def chart(known: Known, now_ms: int) -> dict[str, Any]:
    """Return events a second by steps (none where the log is not known), and the samples of the depth."""
    now_s = now_ms // 1000
    from_s = now_s // STEP_S * STEP_S - CHART_S
    steps, seconds = (0, {}) if isinstance(known.flow, Unknown) else (CHART_S // STEP_S, known.flow.seconds)
    rates = {name: [0.0] * steps for name in ("in", "out", "dead")}
    for at_s, second in seconds.items():
        step = (at_s - from_s) // STEP_S
        if 0 <= step < steps:
            rates["in"][step] += second.received / STEP_S
            rates["out"][step] += second.delivered / STEP_S
            rates["dead"][step] += second.dead / STEP_S
    samples = [sample for sample in known.samples if sample.at_ms >= from_s * 1000]
    return {"from_ms": from_s * 1000, "step_ms": STEP_S * 1000, **rates, "samples": samples}


def dead(known: Known) -> list[dict[str, Any]] | None:
    """Return the events that died, by reason: in the kept minutes, and in 24 hours; None if not known."""
    if isinstance(known.flow, Unknown):
        return None
    lately = Counter[str]()
    for second in known.flow.seconds.values():
        lately.update(second.outcomes)
    in_a_day = known.metrics.dead if isinstance(known.metrics, Metrics) else {}
    return [
        {
            "reason": reason,
            "lately": lately[reason],
            "in_a_day": in_a_day.get(reason, 0) if isinstance(known.metrics, Metrics) else None,
        }
        for reason in DEAD_REASONS
        if lately[reason] or in_a_day.get(reason)
    ]


def _invocations(known: Known) -> list[dict[str, Any]] | None:
    if isinstance(known.flow, Unknown):
        return None
    return [_invocation(line) for line in reversed(known.lines)][:_SHOWN_LINES]


def _invocation(line: Line) -> dict[str, Any]:
    counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(line.outcomes.items()) if count)
    return {"at": _clock(line), "text": counts or "no events"}


def _failures(known: Known) -> list[dict[str, Any]] | None:
    """Return the failures by reason and detail, newest first; a kind's time and ids are its newest."""
    if isinstance(known.flow, Unknown):
        return None
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for failure in map(_failure, reversed(known.flow.last_failures)):
        kind = found.setdefault((failure["reason"], failure["detail"]), failure)
        kind["times"] += 1
    return list(found.values())[:_SHOWN_FAILURES]


def _failure(line: Line) -> dict[str, Any]:
    fields = line.fields
    insert_ids, message_ids = _items(fields.get("insert_ids")), _items(fields.get("message_ids"))
    if line.message == NOT_DELIVERED:
        reason, detail = str(fields.get("reason", "?")), str(fields.get("detail", ""))
    else:
        assert line.message == AWS_REFUSED  # noqa: S101  (Flow keeps no others)
        reason = "AWS refused"
        detail = " ".join(str(fields.get(name, "")) for name in ("aws_service", "operation", "code"))
    return {
        "at": _clock(line),
        "reason": reason[:_TEXT_MOST],
        "is_dead": reason in DEAD_REASONS,
        "detail": detail[:_TEXT_MOST],
        "times": 0,
        "of": "events" if insert_ids else "messages",
        "ids": [str(id_)[:_TEXT_MOST] for id_ in (insert_ids or message_ids)[:_SHOWN_IDS]],
    }


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _clock(line: Line) -> str:
    return f"{datetime.fromtimestamp(line.time_ms / 1000, UTC):%H:%M:%S}"
