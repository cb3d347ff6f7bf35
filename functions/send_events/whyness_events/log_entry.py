"""A row of the Log table: the Lambda writes it, the operator's tools read it."""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from whyness_events.event import valid_insert_id
from whyness_events.outcomes import State
from whyness_events.values import kind

# An insert id, or message id and position; then the hash.
_KEY = re.compile(r"([A-Za-z0-9-]{1,100}(?:#[0-9]{1,7})?)/([0-9a-f]{16})", re.ASCII)
# A row's attribute: the key of the event that it was redriven as, if an edit changed the key.
REDRIVEN_AS = "redriven_as"
KEEP_S = 90 * 24 * 3600
SHARDS = 16


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key of a row. `str()` of it is the attribute `log_key` of a dead letter."""

    pk: str
    sk: str

    def __str__(self) -> str:
        return f"{self.pk}/{self.sk}"

    @classmethod
    def parse(cls, text: str) -> "LogKey | None":
        """Return the key written as `text`; None if it is not a key, for anybody can write an attribute."""
        match = _KEY.fullmatch(text)
        return cls(*match.groups()) if match else None


def log_key(raw: object, *, message_id: str, position: int) -> LogKey:
    """Return the key of an event's row: its insert id (or its position), and a hash of event, user and time.

    Args:
        raw: the event as decoded from the message, valid or not.
        message_id: of the record.
        position: of the event in the record, from 0.
    """
    fields = raw if isinstance(raw, dict) else {}
    insert_id = fields.get("insert_id")
    # Nothing nested goes to json.dumps: a hostile event may be nested too deeply for it.
    other = [
        v if isinstance(v := fields.get(name), str | int) else kind(v) for name in ("event", "user", "time")
    ]
    digest = hashlib.sha256(json.dumps(other).encode()).hexdigest()[:16]
    return LogKey(insert_id if valid_insert_id(insert_id) else f"{message_id}#{position}", digest)


def body_key(body: str, *, message_id: str) -> LogKey:
    """Return the key of a row about a whole message: the message's id, and a hash of its body."""
    digest = hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest()[:16]
    return LogKey(f"{message_id}#0", digest)


@dataclass(frozen=True, slots=True)
class DeliveredRow:
    """The key of the row that a redriven message names, and the key of the event that was delivered from it.

    They differ if an edit changed the event. A publisher could name any row: the row belongs to this event
    only if both keys are equal, or if the redrive wrote the event's key into the row as `REDRIVEN_AS`. A row
    about a whole message belongs to the message if it has the hash of its body.
    """

    row: LogKey
    event: LogKey

    @property
    def is_edited(self) -> bool:
        """Whether the row belongs to this event only if it says so itself (`REDRIVEN_AS`)."""
        return self.row != self.event


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row.

    Args:
        key: partition key and sort key.
        reason: one of `outcomes.LOG_REASONS`.
        detail: a safe sentence: kinds and limits, never a value.
        event: the event's name; `""` if it has no valid one.
        http_status: Mixpanel's HTTP status; 0 if it did not answer.
        message_id: of the record.
        dead_letter_message_id: of the message in the dead-letter queue; `""` if there is none.
        attempts: the record's receive count.
        first_failed_at_ms: when the message was sent, epoch milliseconds.
        last_failed_at_ms: when the row is written, epoch milliseconds.
        count: how many events the row is about.
        state: a State, or an AuditState in an audit row.
    """

    key: LogKey
    reason: str
    detail: str
    event: str = ""
    http_status: int = 0
    message_id: str = ""
    dead_letter_message_id: str = ""
    attempts: int = 0
    first_failed_at_ms: int = 0
    last_failed_at_ms: int = 0
    count: int = 1
    state: str = State.DEAD

    def to_item(self) -> dict[str, Any]:
        """Return the row's attributes as Python values, with the index keys and the expiry (90 days)."""
        day, moment = _day_and_moment(self.last_failed_at_ms)
        shard = zlib.crc32(self.key.pk.encode()) % SHARDS
        item: dict[str, Any] = {
            "pk": self.key.pk,
            "sk": self.key.sk,
            "gsi1pk": f"{day}#{self.reason}#{shard}",
            "gsi1sk": f"{moment}#{self.key.pk}",
            "event": self.event,
            "reason": str(self.reason),
            "detail": self.detail,
            "http_status": self.http_status,
            "state": str(self.state),
            "message_id": self.message_id,
            "dead_letter_message_id": self.dead_letter_message_id,
            "attempts": self.attempts,
            "first_failed_at": self.first_failed_at_ms,
            "last_failed_at": self.last_failed_at_ms,
            "event_count": self.count,
            "expires_at": self.last_failed_at_ms // 1000 + KEEP_S,
        }
        return {name: value for name, value in item.items() if value != ""}


def to_dynamodb(values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return attributes in DynamoDB's JSON: integers as numbers, everything else as text."""
    return {n: {"N": str(v)} if isinstance(v, int) else {"S": str(v)} for n, v in values.items()}


def _day_and_moment(now_ms: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{moment:%Y-%m-%d}", moment.isoformat(timespec="milliseconds")
