"""What the raw export makes of the events that a project holds. Pure: no deduplication, and its quirks.

Sources: docs.mixpanel.com/reference/raw-event-export and hot-shard-limits; for zone,
identities and duplicates, probes and connectors of others; read in 2026-11. None of it was tried on a project
of ours.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from .export_request import ExportRequest, local_moment, local_ms
from .rules import Properties, stands_for_someone, to_ms
from .settings import Settings

DEVICE = "$device:"
HOT_NAME = "$hotshard_events"
_DECODER = msgspec.json.Decoder(dict[str, Any])
_BEFORE = "$distinct_id_before_identity"


@dataclass(slots=True)
class _Export:
    """One answer in the making.

    Attributes:
        users: the person that each device was tied to first.
        counts: events by person and day.
    """

    request: ExportRequest
    settings: Settings
    now_ms: int
    zone: ZoneInfo
    users: dict[str, str]
    counts: Counter[tuple[str, date]] = field(default_factory=Counter)

    def event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Give the event as it is exported, or None if this export has not got it; it is used up."""
        properties: Properties = event["properties"]
        time_ms = to_ms(properties["time"])
        day = local_moment(time_ms, self.zone).date()
        is_hot = self._is_hot(str(properties["distinct_id"]), day)
        if not (self.request.from_date <= day <= self.request.to_date) or self._is_hidden(event):
            return None
        shown_ms = local_ms(time_ms, self.zone)
        properties["time"] = shown_ms if self.request.in_ms else shown_ms // 1_000
        properties["mp_processing_time_ms"] = properties["$mp_api_timestamp_ms"]
        properties.pop("ip", None)
        if self.settings.identity == "simplified":
            self._settle_identity(properties)
        if is_hot:
            _cool(event)
        return event if event["event"] in self.request.names or not self.request.names else None

    def _is_hot(self, person: str, day: date) -> bool:
        if not person:
            return False
        self.counts[person, day] += 1
        return self.counts[person, day] > self.settings.hot_shard_events

    def _is_hidden(self, event: dict[str, Any]) -> bool:
        arrival_ms: int = event["properties"]["$mp_api_timestamp_ms"]
        is_late = arrival_ms > self.now_ms - self.settings.export_late_s * 1_000
        return is_late or str(event["event"]) == self.settings.blocked_event

    def _settle_identity(self, properties: Properties) -> None:
        sent = str(properties["distinct_id"])
        if sent.startswith(DEVICE):
            device = sent.removeprefix(DEVICE).removeprefix(DEVICE)
            properties["$device_id"] = device
            properties["distinct_id"] = self.users.get(device, DEVICE + device)
            if properties["distinct_id"] != sent:
                properties.setdefault(_BEFORE, sent)
        elif sent:
            properties["$user_id"] = sent


def exported_lines(
    passes: tuple[Iterable[bytes], Iterable[bytes]], request: ExportRequest, settings: Settings, now_ms: int
) -> Iterator[bytes]:
    """Iterate over the lines of an answer, each with its line break.

    Args:
        passes: each gives every copy that arrived, as blocks of JSON lines in order of arrival.
        request: what is asked for.
        settings: with the quirks.
        now_ms: of the request.
    """
    users = _users(passes[0], now_ms - settings.export_merge_late_s * 1_000)
    export = _Export(request, settings, now_ms, ZoneInfo(settings.export_zone), users)
    found = (export.event(event) for event in _events(passes[1]))
    lines = (msgspec.json.encode(event) + b"\n" for event in found if event is not None)
    doubled = _doubled(lines, settings.export_double_every)
    ordered = sorted(doubled, key=_shuffled) if settings.export_order == "shuffled" else doubled
    for count, line in enumerate(ordered, 1):
        yield line
        if count == request.limit:
            return


def _users(blocks: Iterable[bytes], until_ms: int) -> dict[str, str]:
    users: dict[str, str] = {}
    for event in _events(blocks):
        properties = event["properties"]
        has_both = stands_for_someone(properties, "$user_id") and stands_for_someone(properties, "$device_id")
        if has_both and properties["$mp_api_timestamp_ms"] <= until_ms:
            users.setdefault(properties["$device_id"].removeprefix(DEVICE), properties["$user_id"])
    return users


def _events(blocks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    return (event for block in blocks for event in _DECODER.decode_lines(block))


def _cool(event: dict[str, Any]) -> None:
    """Take the event away from its person, as Mixpanel does where one has too many a day."""
    properties = event["properties"]
    properties["mp_original_event_name"] = event["event"]
    properties["mp_original_distinct_id"] = properties["distinct_id"]
    event["event"], properties["distinct_id"] = HOT_NAME, ""


def _doubled(lines: Iterable[bytes], every: int) -> Iterator[bytes]:
    for count, line in enumerate(lines, 1):
        yield line
        if every and count % every == 0:
            yield line


def _shuffled(line: bytes) -> bytes:
    return blake2b(line, digest_size=8).digest()
