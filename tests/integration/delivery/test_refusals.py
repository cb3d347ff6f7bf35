"""What AWS refuses is told: which call, why, and how often, in one line; never what AWS says in words."""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest

import handler
from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import EXECUTE, GET_SECRET, SEND, WRITE, AwsError, AwsStub, always, times
from tests.aws_stub.errors import REQUEST_ID
from tests.aws_stub.stub import DELAY, DELETE
from tests.builders import make_body, make_raw, make_record
from tests.integration.delivery.function import Function, Invocation, recent_event
from tests.loopback import Trouble
from whyness_events import delivery
from whyness_events.delivery.deliver import Deliverer
from whyness_events.delivery.items import Record
from whyness_events.delivery.reading.sqs_event import InvocationFault
from whyness_events.delivery.settling.exhaust import SUSPECT_FROM
from whyness_events.log_entry import LogKey

pytestmark = pytest.mark.usefixtures("no_pauses")
MARKER = "Confidential7f3a"


def dead(*_: object) -> list[Record]:
    """Return a record whose event is dead."""
    return [make_record(make_body(make_raw(time=-1)))]


def waiting(mixpanel: MixpanelSimulator) -> list[Record]:
    """Return a record that is handed back."""
    mixpanel.faults.add(status=429, headers={"Retry-After": "600"})
    return [make_record(recent_event())]


def before_a_suspect(*_: object) -> list[Record]:
    """Return a record that is deleted before a suspect is touched, and the suspect."""
    return [make_record(recent_event()), make_record(recent_event(), receive_count=SUSPECT_FROM)]


def redriven(*_: object) -> list[Record]:
    """Return a record that carries the key of its row."""
    return [make_record(recent_event(), log_key=str(LogKey("row-0", "0123456789abcdef")))]


def any_record(*_: object) -> list[Record]:
    """Return a record."""
    return [make_record(recent_event())]


# Each AWS operation of the function: its service, its name in AWS's words, and records that lead to it.
CALLS: Mapping[str, tuple[str, str, Callable[[MixpanelSimulator], list[Record]]]] = {
    "send_message_batch": ("sqs", SEND, dead),
    "change_message_visibility_batch": ("sqs", DELAY, waiting),
    "delete_message_batch": ("sqs", DELETE, before_a_suspect),
    "batch_write_item": ("dynamodb", WRITE, dead),
    "batch_execute_statement": ("dynamodb", EXECUTE, redriven),
    "get_secret_value": ("secretsmanager", GET_SECRET, any_record),
}
FAULTS: Mapping[str, tuple[AwsError | Trouble, str]] = {
    "denied": (AwsError("AccessDeniedException", f"not authorized: {MARKER}"), "AccessDeniedException"),
    "throttled": (AwsError("ThrottlingException", MARKER), "ThrottlingException"),
    "down": (AwsError("InternalFailure", MARKER, status=500), "InternalFailure"),
    "code that is no word": (AwsError(f"no word {MARKER}"), "HTTP 400"),
    "reset": (Trouble.RESET, "ConnectionClosedError"),
    "no HTTP": (Trouble.GARBAGE, "ConnectionClosedError"),
}


def operations() -> set[str]:
    """Return what the delivery code names that is an operation of one of the three services."""
    session = botocore.session.Session()
    models = [session.get_service_model(service) for service in ("sqs", "dynamodb", "secretsmanager")]
    known = {botocore.xform_name(name) for model in models for name in model.operation_names}
    paths = [Path(handler.__file__), *Path(delivery.__file__).parent.rglob("*.py")]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    names = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return known & (names | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


def test_the_docs_explain_each_operation() -> None:
    """Whoever reads the line finds what was asked, and what its refusal means."""
    page = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text()

    assert set(re.findall(r"^\| `([A-Z]\w+)` \| ", page[page.index("## Logs") :], re.MULTILINE)) == {
        name for _, name, _ in CALLS.values()
    }


def told(invocation: Invocation, operation: str) -> list[tuple[str, str, int]]:
    """Return service, code and count of each line about an operation."""
    lines = [line for line in invocation.refusals if line["operation"] == operation]
    return [(line["aws_service"], line["code"], line["count"]) for line in lines]


def test_each_operation_that_the_function_calls_is_in_the_table() -> None:
    """A new one fails here first."""
    assert operations() == set(CALLS)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [*((name, "denied") for name in CALLS), *(("send_message_batch", name) for name in FAULTS)],
)
def test_a_call_that_fails_is_told(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, operation: str, fault: str
) -> None:
    """Service, operation, code and count, once; AWS's own text is not in any line."""
    service, name, lead_to = CALLS[operation]
    found, code = FAULTS[fault]
    aws.scripts[name] = always(found)

    invocation = function.invoke(*lead_to(mixpanel), timeout_s=30)

    [(told_service, codes, count)] = told(invocation, name)
    assert told_service == service
    assert codes.split(", ")[0] == code  # rows are tried until their time is up, which is told too
    assert count >= 1
    assert MARKER not in str(invocation.refusals)
    assert MARKER not in str(invocation.details)


@pytest.mark.parametrize("operation", ["send_message_batch", "change_message_visibility_batch"])
def test_entries_that_are_refused_are_told_in_one_line(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, operation: str
) -> None:
    """Of 25 in three calls: how many, and AWS's own request id."""
    _, name, lead_to = CALLS[operation]
    aws.refuse_entry = aws.refuse_handle = lambda _: True
    records = [record for _ in range(25) for record in lead_to(mixpanel)]

    invocation = function.invoke(*records)

    [(_, code, count)] = told(invocation, name)
    assert (code, count) == ("InternalError" if name == SEND else "ReceiptHandleIsInvalid", 25)
    assert invocation.refusals[0]["aws_request_id"] == REQUEST_ID


def test_deletions_that_are_refused_are_told(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """The record comes again; the log says why."""
    aws.refuse_handle = lambda entry: "VisibilityTimeout" not in entry

    invocation = function.invoke(*before_a_suspect(mixpanel))

    assert told(invocation, DELETE) == [("sqs", "ReceiptHandleIsInvalid", 1)]


def test_rows_that_dynamodb_leaves_out_are_told(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Unprocessed items, and statements with an error of their own."""
    aws.leave_out = lambda _: True

    written = function.invoke(*dead())
    marked = function.invoke(*redriven(mixpanel))

    assert [(service, code) for service, code, _ in told(written, WRITE)] == [("dynamodb", "Unprocessed")]
    assert [(service, code) for service, code, _ in told(marked, EXECUTE)] == [
        ("dynamodb", "ThrottlingError")
    ]


def test_a_row_that_is_missing_or_delivered_already_is_no_refusal(function: Function) -> None:
    """Its condition is meant to fail."""
    assert function.invoke(*redriven()).refusals == []


def test_a_wrong_url_of_the_dead_letter_queue_is_told_as_such(function: Function, aws: AwsStub) -> None:
    """Not only the event's own fault, which would be a wrong lead."""
    function.set(DEAD_LETTER_QUEUE_URL=f"{aws.dead_letter_queue_url}-of-another-stack")

    invocation = function.invoke(*dead())

    assert told(invocation, SEND) == [("sqs", "QueueDoesNotExist", 1)]
    assert invocation.refusals[0]["aws_request_id"] == REQUEST_ID


def test_several_codes_of_an_operation_are_one_line(function: Function, aws: AwsStub) -> None:
    """In the order in which they came, with the count of all."""
    dead_letters = [AwsError("AccessDeniedException"), AwsError("KmsDisabled")]
    aws.scripts[SEND] = lambda _: dead_letters.pop() if dead_letters else None

    invocation = function.invoke(*[record for _ in range(21) for record in dead()])

    assert told(invocation, SEND) == [("sqs", "KmsDisabled, AccessDeniedException", 2)]


def test_an_invocation_tells_of_its_own_refusals_only(function: Function, aws: AwsStub) -> None:
    """A container does not repeat what it told before."""
    aws.scripts[SEND] = times(1, AwsError("AccessDeniedException"))

    first, second = function.invoke(*dead()), function.invoke(*dead())

    assert (len(first.refusals), second.refusals) == (1, [])
    assert first.refusals[0]["request_id"] != ""


def test_refusals_are_told_after_a_bug_too(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """The invocation raises, and the next one does not tell it as its own."""
    deliver = Deliverer.deliver

    def refused_then_bug(*_: Any, **__: Any) -> Any:
        handler.container().aws[0].refused("send_message_batch", "AccessDenied")
        raise RuntimeError

    monkeypatch.setattr(Deliverer, "deliver", refused_then_bug)
    with pytest.raises(InvocationFault):
        function.invoke(*any_record())
    logged = [record.getMessage() for record in function.logged]
    monkeypatch.setattr(Deliverer, "deliver", deliver)

    assert logged == ["aws refused"]
    assert function.invoke(*any_record()).refusals == []
