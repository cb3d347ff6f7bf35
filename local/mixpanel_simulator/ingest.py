"""How a valid event is stored: identity, cuts, clamping. Pure."""

from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from .rules import OLDEST_MS, Properties, stands_for_someone, to_ms
from .settings import Settings

MAX_STRING_BYTES = 255
"""Longer strings and names are cut. Source: data type page, 2026-11 (the API page says characters)."""

NOBODYS_USER = "$device:address-of-the-sender"
"""In place of the id that Mixpanel derives from the request's address if `distinct_id` is missing."""

_NEVER_TOO_LONG = MAX_STRING_BYTES // 4


class StoredEvent(NamedTuple):
    """An event as the project holds it.

    Attributes:
        key: digest of the four deduplication fields; None = no deduplication.
        line: the event as JSON.
    """

    key: bytes | None
    line: bytes


def ingested(event: dict[str, Any], *, now_ms: int, settings: Settings) -> StoredEvent:
    """Return a valid event as a query shows it; the argument is changed.

    `time` keeps its unit. Mixpanel does not document whether events at 1 s and at 1000 ms are duplicates;
    here they are not.
    """
    name = cut(event["event"])
    properties = _cut_strings(event["properties"])
    _settle_time(properties, now_ms, clamp=settings.clamp_future)
    _settle_identity(properties, simplified=settings.identity == "simplified")
    properties["$import"] = True
    properties["$mp_api_timestamp_ms"] = now_ms
    line = msgspec.json.encode({"event": name, "properties": properties})
    return StoredEvent(deduplication_key(name, properties), line)


def deduplication_key(name: str, properties: Properties) -> bytes | None:
    """Return the digest of (event, distinct_id, time, $insert_id); None without an insert id."""
    insert_id = properties.get("$insert_id")
    if not insert_id:
        return None
    fields = [name, properties["distinct_id"], properties["time"], insert_id]
    return blake2b(msgspec.json.encode(fields), digest_size=16).digest()


def cut(text: str) -> str:
    """Cut a text to 255 bytes, at a character boundary."""
    if len(text) <= _NEVER_TOO_LONG:
        return text
    encoded = text.encode()
    if len(encoded) <= MAX_STRING_BYTES:
        return text
    return encoded[:MAX_STRING_BYTES].decode("utf-8", "ignore")


def _cut_strings(properties: Properties) -> Properties:
    if max(map(len, properties), default=0) > _NEVER_TOO_LONG:
        properties = {cut(name): value for name, value in properties.items()}
    for name, value in properties.items():
        if value.__class__ is str and len(value) > _NEVER_TOO_LONG:
            properties[name] = cut(value)  # the name exists: the dictionary keeps its size
    return properties


def _settle_time(properties: Properties, now_ms: int, *, clamp: bool) -> None:
    time = properties["time"]
    if clamp and to_ms(time) > now_ms:
        properties["time"] = now_ms if time >= OLDEST_MS else now_ms // 1_000


def _settle_identity(properties: Properties, *, simplified: bool) -> None:
    sent = properties.get("distinct_id")
    computed = _computed_distinct_id(properties) if simplified else None
    if computed is None:
        properties["distinct_id"] = NOBODYS_USER if sent is None else sent
    elif computed != sent:
        properties["distinct_id"] = computed
        if sent is not None:
            properties["$distinct_id_before_identity"] = sent


def _computed_distinct_id(properties: Properties) -> str | None:
    if stands_for_someone(properties, "$user_id"):
        return str(properties["$user_id"])
    if stands_for_someone(properties, "$device_id"):
        return f"$device:{properties['$device_id']}"
    return None
