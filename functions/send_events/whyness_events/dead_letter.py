"""The message attributes of a dead letter: the Lambda writes them, the operator's tools read them.

Anybody with access to the dead-letter queue may have written anything, so decoding never fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from whyness_events import limits
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import UNCOUNTED_REASONS, Reason
from whyness_events.values import size_bytes

REASON = "reason"
DETAIL = "detail"
HTTP_STATUS = "http_status"
INSERT_ID = "insert_id"
LOG_KEY = "log_key"
SOURCE_MESSAGE_ID = "source_message_id"
FAILED_AT = "failed_at"
MAY_COUNT = "may_count"
# The order in which attributes are dropped when the body leaves no room. A dead letter without MAY_COUNT is
# taken for one that may count, which is safe.
DROPPED_IN_ORDER = (
    DETAIL,
    FAILED_AT,
    SOURCE_MESSAGE_ID,
    HTTP_STATUS,
    INSERT_ID,
    LOG_KEY,
    MAY_COUNT,
    REASON,
)
_TYPE = "String"
_STATUS_DIGITS = 3
_YEAR_10000_MS = 253_402_300_800_000
# Dead letters without MAY_COUNT (0.1.0): how the detail ends if an answer without a report refused the event.
_REFUSED_ALONE = "to this event alone"
_UNEXPLAINED_STATUSES = frozenset({"200", "400"})


@dataclass(frozen=True, slots=True)
class DeadLetterAttributes:
    """Why an event is in the dead-letter queue.

    Args:
        reason: one of `outcomes.DEAD_REASONS`; `""` if unknown.
        may_count: Mixpanel may already count the event, so an edit must not change its deduplication fields.
        detail: a safe sentence for people.
        http_status: Mixpanel's HTTP status; 0 if it did not answer.
        insert_id: of the event; `""` if it has no valid one.
        log_key: of the event's row in the Log table.
        source_message_id: message id of the record that held the event.
        failed_at_ms: epoch milliseconds; 0 if unknown.
    """

    reason: str = ""
    may_count: bool = True
    detail: str = ""
    http_status: int = 0
    insert_id: str = ""
    log_key: LogKey | None = None
    source_message_id: str = ""
    failed_at_ms: int = 0

    def encode(self) -> dict[str, str]:
        """Return the attributes as texts, without the empty ones, which SQS refuses."""
        texts = {
            REASON: self.reason,
            DETAIL: self.detail,
            HTTP_STATUS: str(self.http_status or ""),
            INSERT_ID: self.insert_id,
            LOG_KEY: str(self.log_key or ""),
            SOURCE_MESSAGE_ID: self.source_message_id,
            FAILED_AT: moment(self.failed_at_ms),
            MAY_COUNT: str(self.may_count).lower(),
        }
        return {name: text for name, text in texts.items() if text}

    @classmethod
    def decode(cls, texts: Mapping[str, str]) -> Self:
        """Return the attributes in `texts`; a missing or malformed one gets its default."""
        return cls(
            reason=texts.get(REASON, ""),
            may_count=_may_count(texts),
            detail=texts.get(DETAIL, ""),
            http_status=_status(texts.get(HTTP_STATUS, "")),
            insert_id=texts.get(INSERT_ID, ""),
            log_key=LogKey.parse(texts.get(LOG_KEY, "")),
            source_message_id=texts.get(SOURCE_MESSAGE_ID, ""),
            failed_at_ms=_epoch_ms(texts.get(FAILED_AT, "")),
        )


def fit(texts: Mapping[str, str], body_bytes: int) -> dict[str, str]:
    """Return the attributes that fit into a message beside a body of this size."""
    kept = dict(texts)
    for name in DROPPED_IN_ORDER:
        if body_bytes + attributes_bytes(kept) <= limits.MESSAGE_BYTES:
            break
        kept.pop(name, None)
    return kept


def attributes_bytes(texts: Mapping[str, str]) -> int:
    """Return the size that SQS counts: name, type and value of each attribute."""
    return sum(size_bytes(name) + len(_TYPE) + size_bytes(text) for name, text in texts.items())


def to_sqs_attributes(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the texts in the form that SendMessage takes."""
    return {name: {"DataType": _TYPE, "StringValue": text} for name, text in texts.items()}


def from_sqs_attributes(attributes: object) -> dict[str, str]:
    """Return the text attributes of a message from ReceiveMessage or from a Lambda event."""
    given = attributes if isinstance(attributes, dict) else {}
    texts = {name: _text(attribute) for name, attribute in given.items()}
    return {name: text for name, text in texts.items() if text}


def moment(time_ms: int) -> str:
    """Return epoch milliseconds as ISO 8601 text in UTC; `""` for 0 and for times out of range."""
    if not 0 < time_ms < _YEAR_10000_MS:
        return ""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _text(attribute: object) -> str:
    if not isinstance(attribute, dict):
        return ""
    text = attribute.get("StringValue") or attribute.get("stringValue")
    return text if isinstance(text, str) else ""


def _may_count(texts: Mapping[str, str]) -> bool:
    if texts.get(REASON) not in UNCOUNTED_REASONS:
        return True
    if MAY_COUNT in texts:
        return texts[MAY_COUNT] != "false"
    status, detail = texts.get(HTTP_STATUS, ""), texts.get(DETAIL, "")
    if detail:
        return status in _UNEXPLAINED_STATUSES and detail.endswith(_REFUSED_ALONE)
    # The detail is dropped first for lack of room, and the status may have been dropped too. Unexplained
    # answers led to no other reason than `rejected`.
    return status in _UNEXPLAINED_STATUSES or (not status and texts[REASON] == Reason.REJECTED)


def _status(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _STATUS_DIGITS else 0


def _epoch_ms(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:  # written by hand
        return 0
    time_ms = round(when.timestamp() * 1000) if when.tzinfo else 0
    return time_ms if 0 < time_ms < _YEAR_10000_MS else 0
