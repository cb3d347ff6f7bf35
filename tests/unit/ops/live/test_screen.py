"""What the page shows of what is known: numbers, a sentence, the chart; never a payload."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from whyness_events.outcomes import DEAD_REASONS, WAITING_REASONS
from whyness_ops.dead_letter_queue import Depth
from whyness_ops.live.screen import CHART_S, STEP_S, Known, Sample, document
from whyness_ops.watch.facts import NOT_HERE, Metrics
from whyness_ops.watch.flow import Flow
from whyness_ops.watch.gather import Unknown
from whyness_ops.watch.log_lines import INVOCATION, Line

NOW_MS = 1_800_000_000_000
DENIED = Unknown("AWS denied GetQueueAttributes on queue q.")


def invocation(ago_s: float, outcomes: Mapping[str, int], **fields: Any) -> Line:
    """Return a line of an invocation that ended so long ago."""
    received = sum(outcomes.values())
    found = {"outcomes": outcomes, "events_received_first": received, "delivery_lag_ms": 1200, **fields}
    return Line(f"i{ago_s}", NOW_MS - int(ago_s * 1000), INVOCATION, found)


def known(*lines: Line, visible: int = 0, hidden: int = 0, dead: int = 0, **other: Any) -> Known:
    """Return what is known of a stack with these lines and depths."""
    flow = Flow()
    flow.add(lines)
    facts: dict[str, Any] = {
        "flow": flow,
        "queue": Depth(visible, hidden),
        "dead_letters": Depth(dead, 0),
        "metrics": NOT_HERE,
        "lines": lines,
    }
    return Known(**facts | other)


def tile(found: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return value and note of a tile."""
    return next((each["value"], each["note"]) for each in found["tiles"] if each["name"] == name)


@pytest.mark.parametrize(
    ("stack", "level", "text"),
    [
        (known(), "well", "Quiet"),
        (known(invocation(5, {"delivered": 10}), visible=3), "well", "Events arrive"),
        (known(invocation(20, {"delivered": 900}), invocation(5, {"retry": 2})), "ill", "does not take"),
        (known(invocation(20, {"retry": 9}), invocation(5, {"delivered": 2})), "well", "Events arrive"),
        (known(invocation(5, {"throttled": 2, "delivered": 9})), "warn", "takes a part"),
        (known(invocation(5, {"setup": 1}, is_breaker_open=True)), "ill", "breaker is open"),
        (known(invocation(90, {"delivered": 1}), visible=4), "ill", "function is not called"),
        (known(visible=4), "ill", "function is not called"),
        (known(invocation(5, {"delivered": 1}), dead=2), "warn", "dead letters"),
        (known(flow=DENIED), "unclear", "AWS does not tell"),
        (known(queue=DENIED), "unclear", "AWS does not tell"),
    ],
)
def test_one_sentence_says_how_it_is(stack: Known, level: str, text: str) -> None:
    """By what was tried last; it has no number, so that a screen reader hears only what changes."""
    headline = document(stack, NOW_MS)["headline"]

    assert headline["level"] == level
    assert text in headline["text"]
    assert not any(character.isdigit() for character in headline["text"])


@pytest.mark.parametrize("reason", WAITING_REASONS)
def test_each_reason_to_wait_is_not_well(reason: str) -> None:
    """Whatever keeps events in the queue."""
    assert document(known(invocation(1, {reason: 5})), NOW_MS)["headline"]["level"] == "ill"


def test_numbers_are_those_of_the_log_and_the_queues() -> None:
    """Rates over half a minute, sums over a quarter of an hour, messages as SQS counts them."""
    lines = invocation(200, {"delivered": 1000}), invocation(10, {"delivered": 300, "rejected": 6})

    found = document(known(*lines, visible=1200, hidden=34, dead=6), NOW_MS)

    assert tile(found, "In") == ("10.2", "events/s over 30 s")
    assert tile(found, "Out") == ("10.0", "events/s over 30 s")
    assert tile(found, "Delivered")[0] == "1,300"
    assert tile(found, "Lag") == ("1.2 s", "of the last delivery, 10 s ago")
    assert tile(found, "Backlog") == ("1,234", "messages, oldest: not here")
    assert tile(found, "In flight")[0] == "34"
    assert tile(found, "Dead letters")[0] == "6"
    assert tile(found, "Breaker")[0] == "closed"
    assert found["dead"] == [{"reason": "rejected", "lately": 6, "in_a_day": None}]


def test_the_metrics_tell_the_oldest_message_and_a_day() -> None:
    """Where there are any."""
    found = document(known(metrics=Metrics(4000.0, 0.0, {"oversized": 3})), NOW_MS)

    assert tile(found, "Backlog")[1] == "messages, oldest 67 min"
    assert found["dead"] == [{"reason": "oversized", "lately": 0, "in_a_day": 3}]


@pytest.mark.parametrize("field", ["flow", "queue", "dead_letters", "metrics"])
def test_what_is_not_known_is_no_number(field: str) -> None:
    """Every tile is there, and none of those shows a zero."""
    fact: dict[str, Any] = {field: DENIED}

    found = document(known(**fact), NOW_MS)

    assert len(found["tiles"]) == 8
    lists = [found[name] for name in ("dead", "failures", "invocations")]
    assert (lists, found["chart"]["in"]) == ([None] * 3, []) if field == "flow" else None not in lists
    unknown = {"flow": "Out", "queue": "Backlog", "dead_letters": "Dead letters"}
    assert [name for name in unknown.values() if tile(found, name)[0] == "?"] == [
        name for part, name in unknown.items() if part == field
    ]


def test_the_chart_has_each_event_once() -> None:
    """Events by steps of the last minutes, and the samples of the same time."""
    lines = [invocation(ago_s, {"delivered": 10, "rejected": 5}) for ago_s in (400, 299, 100, 99, 6)]
    samples = [Sample(NOW_MS - ago_s * 1000, 7, 3) for ago_s in (400, 6)]

    chart = document(known(*lines, samples=samples), NOW_MS)["chart"]

    assert sum(chart["in"]) * STEP_S == 60
    assert sum(chart["out"]) * STEP_S == 40
    assert sum(chart["dead"]) * STEP_S == 20
    assert len(chart["in"]) == CHART_S // STEP_S
    assert chart["samples"] == samples[1:]


def failed(**fields: Any) -> Line:
    """Return a line about events that were not delivered."""
    return Line("f", NOW_MS, "not delivered", fields)


def test_a_failure_shows_why_and_some_ids_and_nothing_else() -> None:
    """Whatever else a line may hold."""
    ids = [f"id-{number}" for number in range(5)]
    line = failed(reason="rejected", detail="too large", insert_ids=ids, message_ids=["m"], body="SECRET")
    refused = Line(
        "r", NOW_MS, "aws refused", {"aws_service": "sqs", "operation": "Send", "code": "AccessDenied"}
    )

    found = document(known(line, refused), NOW_MS)["failures"]

    assert [failure["reason"] for failure in found] == ["AWS refused", "rejected"]
    assert found[0]["detail"] == "sqs Send AccessDenied"
    assert (found[1]["of"], found[1]["ids"], found[1]["is_dead"]) == ("events", ids[:2], True)
    assert "SECRET" not in json.dumps(found)


def test_failures_of_a_kind_are_one_with_the_newest_ids() -> None:
    """An outage does not push out what else fails."""
    lines = [failed(reason="retry", detail="503", insert_ids=[str(number)]) for number in range(9)]

    found = document(known(failed(reason="rejected", detail="x"), *lines), NOW_MS)["failures"]

    kinds = [(failure["reason"], failure["times"], failure["ids"]) for failure in found]
    assert kinds == [("retry", 9, ["8"]), ("rejected", 1, [])]


@pytest.mark.parametrize("value", [None, 5, "x" * 100_000, ["x" * 100_000] * 99, {"a": 1}, [None]])
@pytest.mark.parametrize("field", ["reason", "detail", "insert_ids", "message_ids"])
def test_a_strange_line_is_shown_short(field: str, value: object) -> None:
    """What a line holds is a stranger's: it is never an error, nor long."""
    failure = document(known(failed(**{field: value})), NOW_MS)["failures"][0]

    assert len(json.dumps(failure)) < 1000


def test_all_dead_reasons_have_a_place() -> None:
    """The table has each that occurred."""
    found = document(known(invocation(1, dict.fromkeys(DEAD_REASONS, 1))), NOW_MS)["dead"]

    assert [row["reason"] for row in found] == list(DEAD_REASONS)
