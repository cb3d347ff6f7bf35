"""The shape of a row of the Log table; the Lambda writes it, people's tools read it."""

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

# An insert id, or message id and place, then the hash.
_KEY = re.compile(r"([A-Za-z0-9-]{1,100}(?:#[0-9]{1,7})?)/([0-9a-f]{16})", re.ASCII)
# Of a row: the key of the event that it was redriven as, where an edit changed the key.
REDRIVEN_AS = "redriven_as"
KEEP_S = 90 * 24 * 3600
SHARDS = 16


@dataclass(frozen=True, slots=True)
class LogKey:
    """What a dead letter carries to find its row again: `str()` is the attribute `log_key`."""

    pk: str
    sk: str

    def __str__(self) -> str:
        return f"{self.pk}/{self.sk}"

    @classmethod
    def parse(cls, text: str) -> "LogKey | None":
        """Return the key that `text` is, None where it is none: anybody can write an attribute."""
        match = _KEY.fullmatch(text)
        return cls(*match.groups()) if match else None


def log_key(raw: object, *, message_id: str, position: int) -> LogKey:
    """Return the key of an event's row: its insert id (or where it stood), and a hash of the other three.

    Args:
        raw: the event as decoded from the message, valid or not.
        message_id: the record's message id.
        position: the event's place in the record, from 0.
    """
    fields = raw if isinstance(raw, dict) else {}
    insert_id = fields.get("insert_id")
    # Only what JSON can write without recursion: a hostile event may be nested deep.
    other = [
        v if isinstance(v := fields.get(name), str | int) else kind(v) for name in ("event", "user", "time")
    ]
    digest = hashlib.sha256(json.dumps(other).encode()).hexdigest()[:16]
    return LogKey(insert_id if valid_insert_id(insert_id) else f"{message_id}#{position}", digest)


def body_key(body: str, *, message_id: str) -> LogKey:
    """Return the key of a row that speaks of a whole message: where it came from, and a hash of its body."""
    digest = hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest()[:16]
    return LogKey(f"{message_id}#0", digest)


@dataclass(frozen=True, slots=True)
class DeliveredRow:
    """The row that a redriven message carries, and the key of the event in it, which was delivered.

    They differ where an edit changed the event. Whoever may publish may name any row: it is this event's only
    if the keys are equal, or the redrive wrote the event's key into the row as `REDRIVEN_AS`. A row about a
    whole message is the message's own if it has the hash of its body.
    """

    row: LogKey
    event: LogKey

    @property
    def is_edited(self) -> bool:
        """Whether the row itself has to say that it is this event's."""
        return self.row != self.event


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row.

    Args:
        key: `pk` and `sk`.
        reason: one of the outcomes.
        detail: a safe sentence: kinds and limits, never a value.
        event: the event's name, `""` where it has none that is valid.
        http_status: Mixpanel's answer, 0 where there was none.
        message_id: of the record.
        dead_letter_message_id: of the message in the DLQ, `""` where there is none.
        attempts: the record's receive count.
        first_failed_at_ms: when the message was sent, epoch milliseconds.
        last_failed_at_ms: now, epoch milliseconds.
        count: how many events the row speaks of.
        state: a State; of an audit row, an AuditState.
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
        """Return the row's attributes as Python values: the index keys and the expiry are derived here."""
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
    """Return attributes as DynamoDB writes them: integers as numbers, all else as text."""
    return {n: {"N": str(v)} if isinstance(v, int) else {"S": str(v)} for n, v in values.items()}


def _day_and_moment(now_ms: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{moment:%Y-%m-%d}", moment.isoformat(timespec="milliseconds")
