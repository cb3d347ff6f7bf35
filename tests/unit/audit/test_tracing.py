"""Where a missing event still is: each place, each fact that decides, and what is asked for it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from tests.builders import make_event
from tests.rights import VIEWER
from tests.unit.audit.fake_stack import DEAD_URL, PARTS, QUEUE_URL, TABLE, FakeStack
from whyness_events import Event
from whyness_events.log_entry import LogEntry, LogKey
from whyness_events.outcomes import FAILURE_REASONS, State
from whyness_ops.audit.traces import UNDECIDED_TRACES, Asked, meaning
from whyness_ops.errors import NotFound, OpsError, Refused, SetupFault
from whyness_ops.stack import Stack

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
EVENT = make_event(insert_id="row-1", event="A", time=NOW_MS - 9 * HOUR_MS)
ASKED = Asked("A", "row-1", EVENT.time)


def traced(stack: FakeStack, *events: Asked, parts: Stack = PARTS) -> list[str]:
    """Return the traces of events."""
    return stack.trace(NOW_MS, parts)(events or (ASKED,))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("queue", [{}, {"visible": 3}, {"hidden": 1}])
def test_the_log_names_state_and_reason(state: str, queue: dict[str, Any]) -> None:
    """Whatever else waits in the queue; the queue of dead letters is not inspected for it."""
    stack = FakeStack(**queue)
    stack.log(EVENT, reason="oversized", state=state)
    stack.bury([make_event()])

    assert traced(stack) == [f"{state}: oversized"]
    assert "receive_message" not in stack.calls


def test_the_newest_row_of_an_event_counts() -> None:
    """And no row of another event that has the same insert id."""
    stack = FakeStack()
    for at_ms, state, other in (
        (5, "redriven", {}),
        (9, "dead", {}),
        (7, "delivered", {}),
        (99, "dead", {"event": "B"}),
    ):
        event = replace_event(**other)
        stack.log(event, state=state, at_ms=at_ms, reason="rejected" if not other else "exhausted")

    assert traced(stack) == ["dead: rejected"]


def replace_event(**over: str) -> Event:
    """Return the event with other fields."""
    return make_event(**{"insert_id": "row-1", "event": "A", "time": EVENT.time, **over})


@pytest.mark.parametrize(
    ("facts", "trace"),
    [
        ({}, "no trace"),
        ({"visible": 1}, "queue not empty"),
        ({"hidden": 1}, "queue not empty"),
        ({"age_s": 9 * 3_600.0}, "queue not empty"),
        ({"age_s": 9 * 3_600.0 - 1}, "no trace"),
        ({"dead_hidden": 1}, "dead letters hidden"),
        ({"dead_hidden": 1, "visible": 1}, "queue not empty"),
        ({"age_s": 9 * 3_600.0 - 1, "denied": frozenset({"get_metric_data"})}, "no trace"),
    ],
)
def test_what_the_log_does_not_name(facts: dict[str, Any], trace: str) -> None:
    """A message in the queue, an older one by CloudWatch, or a hidden dead letter may be it."""
    assert traced(FakeStack(**facts)) == [trace]


@pytest.mark.parametrize("others", [0, 25])
def test_dead_letters_without_a_row_are_inspected_and_given_back(others: int) -> None:
    """One that SQS moved has no row; in a message of several events each is named."""
    stack = FakeStack()
    for _ in range(others):
        stack.bury([make_event()], reason="rejected")
    stack.bury([make_event(), EVENT, make_event()])
    stack.add_dead("no JSON", "unreadable")
    lost = Asked("A", "row-2", EVENT.time)

    assert traced(stack, ASKED, lost) == ["dead: crashed", "no trace"]
    assert (len(stack.dead), stack.held) == (others + 2, set())


def test_each_place_is_asked_once_for_all_events() -> None:
    """But the Log, once an event; and no call needs more than the viewer's rights."""
    stack = FakeStack()
    stack.bury([make_event()])
    trace = stack.trace(NOW_MS)
    assert stack.calls == []

    for number in range(3):
        trace([Asked("A", f"row-{number}-{part}", 1) for part in range(10)])

    assert stack.calls.count("query") == 30
    assert (
        stack.calls.count("get_queue_attributes") == 3
    )  # the queue, the dead letters, and as they are opened
    assert stack.calls.count("get_metric_data") == 1
    assert set(stack.calls) <= VIEWER.keys()


@pytest.mark.parametrize(
    "where", [QUEUE_URL, DEAD_URL, TABLE, "query", "receive_message", "get_queue_attributes"]
)
@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "ExpiredToken", "QueueDoesNotExist"]
)
def test_a_refusal_is_a_trace_of_its_own(where: str, code: str) -> None:
    """With AWS's code; AWS is asked no more."""
    stack = FakeStack(denied=frozenset({where}), code=code)
    stack.bury([make_event()])
    trace = stack.trace(NOW_MS)

    assert trace([ASKED]) == [f"not traced: {code}"]
    count = len(stack.calls)
    assert trace([ASKED, ASKED]) == [f"not traced: {code}"] * 2
    assert (len(stack.calls), stack.held) == (count, set())


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (NotFound("Stack x does not exist."), "Stack x does not exist."),
        (Refused("The queues are swapped."), "The queues are swapped."),
        (NoCredentialsError(), "NoCredentialsError"),
        (EndpointConnectionError(endpoint_url="https://x"), "EndpointConnectionError"),
    ],
)
def test_whatever_keeps_from_asking_is_said(fault: Exception, why: str) -> None:
    """The audit has lasted for hours by then, and its result counts without the traces."""

    def connect() -> tuple[object, Stack]:
        if isinstance(fault, OpsError):
            raise fault
        raise SetupFault("a sentence") from fault

    stack = FakeStack()
    stack.connect = lambda *_: connect()  # type: ignore[method-assign]

    assert traced(stack) == [f"not traced: {why}"]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (Stack(), "no stack is named"),
        (Stack(name="s"), "no stack is named"),
        (replace(PARTS, log_table=""), "LogTableName is not known"),
        (replace(PARTS, queue_url=""), "QueueUrl is not known"),
        (replace(PARTS, dead_letter_queue_url=""), "DeadLetterQueueUrl is not known"),
    ],
)
def test_a_stack_that_is_not_wholly_named_is_not_asked(parts: Stack, why: str) -> None:
    """And the trace says which part is not known."""
    [trace] = traced(FakeStack(), parts=parts)

    assert trace.startswith(f"not traced: {why}")


@pytest.mark.parametrize(
    "parts", [replace(PARTS, function=""), replace(PARTS, is_local=True)], ids=["site", "demo"]
)
def test_the_age_is_asked_for_only_where_it_is_at_hand(parts: Stack) -> None:
    """A site's settings name no function, and the demo has no metrics: the depth decides."""
    stack = FakeStack(age_s=9e9)

    assert traced(stack, parts=parts) == ["no trace"]
    assert "get_metric_data" not in stack.calls


HOSTILE: tuple[Callable[[FakeStack], None], ...] = (
    lambda stack: stack.rows.append(LogEntry(LogKey("row-1", "x"), "\x1b[31m" * 999, "", "A", state="<b>")),
    lambda stack: stack.rows.append(LogEntry(LogKey("row-1", "x"), "", "", "", state="")),
    lambda stack: stack.bury([EVENT], reason="\x1b[31m"),
    lambda stack: stack.add_dead(
        '{"schema_version": 1, "events": [{"event": "A", "insert_id": "row-1"}]}', "x"
    ),
    lambda stack: stack.add_dead("[" * 100_000, "x"),
    lambda stack: stack.add_dead('{"schema_version": 1, "events": [1, null, [], {"event": ["A"]}]}', "x"),
)


@pytest.mark.parametrize("write", HOSTILE)
def test_what_strangers_wrote_is_no_part_of_a_trace(write: Callable[[FakeStack], None]) -> None:
    """Only states and reasons of ours are shown, each with its meaning."""
    stack = FakeStack()
    write(stack)

    [trace] = traced(stack)

    state, _, reason = trace.partition(": ")
    assert meaning(trace)
    assert state in ("no trace", "logged", "dead")
    assert reason in (*FAILURE_REASONS, "")


def test_each_trace_has_a_meaning() -> None:
    """Those that leave it undecided say where the event may be."""
    for trace in ("parked", "pending", "not traced: AccessDenied", "no trace", *UNDECIDED_TRACES):
        assert meaning(trace)
    assert all("undecided" in meaning(trace) for trace in UNDECIDED_TRACES)
