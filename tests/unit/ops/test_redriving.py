from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.builders import NOW_MS, make_body, make_event
from tests.unit.ops.fake_sqs import DEAD, LIVE, FakeAws
from whyness_events import limits
from whyness_events.log_entry import REDRIVEN_AS, LogKey, log_key
from whyness_ops import Aws, Redrive, Selection, SetupFault, Stack, Stop

STACK = Stack(LIVE, DEAD, "Log")
REJECTED = Selection(reason="rejected")


def buried(count: int, **attributes: str) -> FakeAws:
    """Return queues with so many dead letters, `x0` and on."""
    aws = FakeAws()
    for n in range(count):
        texts = {"reason": "rejected", "log_key": f"x{n}/{'0' * 16}", **attributes}
        aws.sqs.bury(f"id-{n:02}", make_body(make_event(insert_id=f"x{n}")), **texts)
    return aws


def redrive(aws: FakeAws, selection: Selection = REJECTED, **more: Any) -> Redrive:
    """Return a redrive of it."""
    return Redrive(cast("Aws", aws), STACK, selection, now_ms=lambda: NOW_MS, **more)


def raising(error: Exception, *, at: str, call: int = 1) -> Callable[[str], None]:
    """Return a hook that raises at the n-th call of an operation."""
    left = [call]

    def hook(name: str) -> None:
        if name == at:
            left[0] -= 1
            if left[0] == 0:
                raise error

    return hook


def test_dead_letter_is_deleted_only_after_it_was_sent() -> None:
    """Receive, send, delete, in that order."""
    aws = buried(3)

    redrive(aws).run()

    order = [name for name in aws.sqs.calls if name in ("receive", "send", "delete")]
    assert order[:3] == ["receive", "send", "delete"]
    assert aws.sqs.messages == {}


def test_what_the_queue_does_not_take_stays_and_is_named() -> None:
    """An entry reported as Failed keeps its dead letter in the dead-letter queue, visible, and named."""
    aws = buried(4)
    aws.sqs.refuse = lambda entry: '"x2"' in entry["MessageBody"]

    report = redrive(aws).run()

    assert (report.sent, [left.insert_id for left in report.left]) == (3, ["x2"])
    assert "InternalError" in report.left[0].why
    assert aws.sqs.visible == {"id-02"}


@pytest.mark.parametrize("at", ["receive", "send", "delete", "attributes"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_failure_at_any_call_loses_no_dead_letter_and_hides_none(at: str, call: int) -> None:
    """Whatever call fails, each dead letter is sent, or visible in the dead-letter queue."""
    aws = buried(25)
    aws.sqs.before = raising(ReadTimeoutError(endpoint_url="http://x"), at=at, call=call)

    with suppress(SetupFault):
        redrive(aws).run()

    dead = {dead_letter["Body"] for dead_letter in aws.sqs.messages.values()}
    sent = {entry["MessageBody"] for entry in aws.sqs.sent}
    assert len(dead | sent) == 25
    assert aws.sqs.hidden & set(aws.sqs.messages) == set()


def test_a_second_ctrl_c_still_makes_all_visible() -> None:
    """Leaving by an exception in the middle of a call gives back what was held."""
    aws = buried(15)
    aws.sqs.before = raising(KeyboardInterrupt(), at="send", call=2)  # type: ignore[arg-type]  # no Exception

    with pytest.raises(KeyboardInterrupt):
        redrive(aws).run()

    assert len(aws.sqs.visible) == 5
    assert aws.dynamodb.updates[-1]["ExpressionAttributeValues"][":v0"] == {"S": "failed"}


def test_dead_letter_that_could_not_be_deleted_is_counted_and_not_sent_again() -> None:
    """A deletion that failed is tried again when the dead letter is seen again; the event goes once."""
    aws = buried(2)
    failures = ["id-01"]
    aws.sqs.keep = lambda handle: handle in failures and not failures.remove(handle)  # type: ignore[func-returns-value]  # None is what it wants
    aws.sqs.reappear = {"id-01"}

    report = redrive(aws).run()

    assert (report.sent, report.not_deleted) == (2, 1)
    assert len(aws.sqs.sent) == 2
    assert aws.sqs.messages == {}


def test_dead_letters_that_reappear_for_ever_do_not_keep_it_running() -> None:
    """A scan ends although the same dead letters come again and again, and gives them back."""
    aws = buried(20, reason="oversized")
    aws.sqs.reappear = set(aws.sqs.messages)

    report = redrive(aws).run()

    assert report.matched == 0
    assert aws.sqs.visible == set(aws.sqs.messages)


def test_a_log_that_does_not_answer_keeps_no_dead_letter_back() -> None:
    """Rows that could not be marked are counted; the dead letters go."""
    aws = buried(3)

    def denied() -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")

    aws.dynamodb.mark = denied

    report = redrive(aws).run()

    assert (report.sent, report.rows_not_marked) == (3, 3)


def test_a_row_in_another_state_is_no_fault() -> None:
    """A row that is delivered already, or dead anew, stays as it is and counts as no failure."""
    aws = buried(1)

    def refused() -> None:
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")

    aws.dynamodb.mark = refused

    assert redrive(aws).run().rows_not_marked == 0


def rename(event: Any) -> Any:
    """Edit a deduplication field."""
    return {**event, "event": "Put right"}


def drop_data(event: Any) -> Any:
    """Edit a field that decides nothing."""
    return {**event, "data": "cut"}


def own_key(number: int, **fields: Any) -> LogKey:
    """Return the key of a dead letter's event."""
    raw = {**make_event(insert_id=f"x{number}").to_wire(), **fields}
    return log_key(raw, message_id="", position=0)


@pytest.mark.parametrize(("edit", "is_named"), [(rename, True), (drop_data, False), (None, False)])
def test_a_row_names_the_edited_event_before_it_is_sent(edit: Any, *, is_named: bool) -> None:
    """Else it could be delivered before anybody knows whose row it is."""
    aws = buried(1, detail="why", log_key=str(own_key(0)))
    named: list[dict[str, Any]] = []

    def look(name: str) -> None:
        if name == "send":
            named.extend(
                u for u in aws.dynamodb.updates if REDRIVEN_AS in u["ExpressionAttributeNames"].values()
            )

    aws.sqs.before = look

    report = redrive(aws, edit=edit).run()

    assert (report.sent, report.rows_not_marked) == (1, 0)
    told = [update["ExpressionAttributeValues"][":v0"]["S"] for update in named]
    assert told == ([str(own_key(0, event="Put right"))] if is_named else [])
    assert all(update["Key"]["pk"]["S"] == "x0" for update in named)
    assert aws.sqs.sent[0]["MessageAttributes"]["log_key"]["StringValue"] == str(own_key(0))


def test_an_edited_row_that_cannot_be_named_is_counted_once() -> None:
    """The dead letter goes, and the report says that its row was not told."""
    aws = buried(2, detail="why")

    def denied() -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")

    aws.dynamodb.mark = denied

    report = redrive(aws, edit=rename).run()

    assert (report.sent, report.rows_not_marked) == (2, 2)


def test_a_body_without_room_for_the_log_key_goes_without_it() -> None:
    """A message of exactly the limit is sent as it is: body and attribute would be too much."""
    aws = buried(0)
    aws.sqs.bury("big", "x" * limits.MESSAGE_BYTES, reason="rejected", log_key="a/b")

    report = redrive(aws).run()

    assert report.sent == 1
    assert "MessageAttributes" not in aws.sqs.sent[0]


def test_a_call_holds_no_more_than_sqs_takes() -> None:
    """Large dead letters are spread over calls of 1 MiB at most."""
    aws = buried(0)
    for n in range(5):
        aws.sqs.bury(f"big-{n}", "x" * 400_000, reason="rejected")

    redrive(aws).run()

    assert aws.sqs.calls.count("send") == 3
    assert len(aws.sqs.sent) == 5


class CountingStop(Stop):
    """Remembers for how long one would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def wait(self, seconds: float) -> None:
        """Remember."""
        self.waited_s.append(seconds)


@pytest.mark.parametrize(("rate", "calls", "waited_s"), [(2.0, 4, 3.5), (70.0, 1, 0.1), (0.5, 7, 14.0)])
def test_the_rate_is_kept(rate: float, calls: int, waited_s: float) -> None:
    """Seven dead letters take seven times the time of one, in calls of no more than a second's worth."""
    aws, stop = buried(7), CountingStop()

    redrive(aws, rate_per_s=rate, stop=stop).run()

    assert aws.sqs.calls.count("send") == calls
    assert sum(stop.waited_s) == pytest.approx(waited_s)


def test_dead_letters_hidden_by_somebody_else_are_told() -> None:
    """What another person looks at could not be considered, and the report says how many."""
    aws = buried(3)
    aws.sqs.hidden = {"id-00"}

    report = redrive(aws).run()

    assert (report.sent, report.hidden) == (2, 1)
