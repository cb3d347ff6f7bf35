"""What a dead letter says of itself: written and read again, by this release and by those before it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import NOW_MS
from tests.strategies import any_json, any_text, insert_ids
from whyness_events import limits
from whyness_events.dead_letter import (
    MAY_COUNT,
    REASON,
    DeadLetterAttributes,
    attributes_bytes,
    fit,
    from_sqs_attributes,
    moment,
    to_sqs_attributes,
)
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import DEAD_REASONS, UNCOUNTED_REASONS, Reason

GOLDEN = sorted((Path(__file__).parents[2] / "contract" / "golden" / "dead_letters").glob("*.json"))
NAMES = list(DeadLetterAttributes(REASON, log_key=LogKey("a", "b")).encode())


@st.composite
def attributes(draw: st.DrawFn) -> DeadLetterAttributes:
    """Return what the Lambda may say of a dead event."""
    reason = draw(st.sampled_from([reason for reason in Reason if reason.is_dead]))
    insert_id = draw(st.just("") | insert_ids)
    return DeadLetterAttributes(
        reason=str(reason),
        may_count=reason not in UNCOUNTED_REASONS or draw(st.booleans()),
        detail=draw(any_text),
        http_status=draw(st.sampled_from([0, 200, 400, 403, 413, 599])),
        insert_id=insert_id,
        log_key=LogKey(insert_id or "message-1#3", "0123456789abcdef"),
        source_message_id=draw(any_text),
        failed_at_ms=draw(st.integers(1, 2 * NOW_MS)),
    )


@given(attributes())
def test_what_is_written_is_read_again(told: DeadLetterAttributes) -> None:
    """Attributes survive the way through SQS, which refuses empty texts."""
    texts = told.encode()

    assert all(texts.values())
    assert DeadLetterAttributes.decode(from_sqs_attributes(to_sqs_attributes(texts))) == told


@given(attributes(), any_text)
def test_rewording_the_detail_changes_nothing_else(told: DeadLetterAttributes, detail: str) -> None:
    """People read it; no program does."""
    texts = told.encode() | {"detail": detail}

    assert DeadLetterAttributes.decode(texts).may_count == told.may_count


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_dead_letters_of_earlier_releases_say_whether_they_may_count(path: Path) -> None:
    """Without the attribute, the text of `detail` decides: such dead letters stay in the queue for days."""
    golden = json.loads(path.read_text())

    assert DeadLetterAttributes.decode(golden["attributes"]).may_count == golden["may_count"]


@pytest.mark.parametrize("text", ["", "False", "0", "no", " false", "true"])
def test_a_may_count_that_is_not_false_is_true(text: str) -> None:
    """A malformed attribute must not let an event count twice."""
    assert DeadLetterAttributes.decode({REASON: Reason.REJECTED, MAY_COUNT: text, "detail": "why"}).may_count


@pytest.mark.parametrize("reason", sorted({"", "other", *DEAD_REASONS} - UNCOUNTED_REASONS))
def test_a_reason_that_rules_nothing_out_may_count(reason: str) -> None:
    """Other attributes do not matter: a message that SQS moved has its publisher's attributes."""
    texts = {REASON: reason, MAY_COUNT: "false"}

    assert DeadLetterAttributes.decode({name: text for name, text in texts.items() if text}).may_count


_hostile_attribute = st.fixed_dictionaries(
    {}, optional={"StringValue": any_json, "BinaryValue": st.binary(), "DataType": any_text}
)
hostile = st.dictionaries(st.sampled_from(NAMES) | any_text, any_json | _hostile_attribute)


@given(hostile | any_json)
@example({name: {"DataType": "Binary", "BinaryValue": b"\x00"} for name in NAMES})
@example({name: {"StringValue": "9" * 5_000} for name in NAMES})
@example({"failed_at": {"StringValue": "0001-01-01T00:00:00+14:00"}})
@example({"failed_at": {"StringValue": "9999-12-31T23:59:59-14:00"}})
@example({"failed_at": {"StringValue": "9999-12-31T23:59:59.999999+00:00"}})
def test_reading_never_fails(found: Any) -> None:
    """Any attributes can be read, and what was read can be written and shown."""
    told = DeadLetterAttributes.decode(from_sqs_attributes(found))

    assert DeadLetterAttributes.decode(told.encode()) == told
    assert 0 <= told.http_status <= 999
    assert len(moment(told.failed_at_ms)) in (0, len("2026-11-18T11:06:40.000+00:00"))


@pytest.mark.parametrize("time_ms", [-1, 0, 253_402_300_800_000, 2**63, -(2**63)])
def test_a_time_that_nobody_can_write_is_not_known(time_ms: int) -> None:
    """It breaks no list."""
    assert moment(time_ms) == ""


@given(attributes(), st.integers(0, 2_000))
def test_what_fits_is_kept_and_no_less(told: DeadLetterAttributes, spare_bytes: int) -> None:
    """Attributes are dropped to the exact byte; without MAY_COUNT the event may count."""
    texts = told.encode()

    kept = fit(texts, limits.MESSAGE_BYTES - spare_bytes)

    assert attributes_bytes(kept) <= spare_bytes
    assert kept.items() <= texts.items()
    assert (kept == texts) == (attributes_bytes(texts) <= spare_bytes)
    assert DeadLetterAttributes.decode(kept).may_count >= told.may_count
