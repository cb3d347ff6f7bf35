"""Mixpanel's rules for one update of a profile. Pure.

The messages are invented, but for the one marked "known": Mixpanel publishes none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from .rules import Properties, is_placeholder, nested_problem
from .settings import Settings

EMPTY_ERROR = "data, missing or empty"
"""Known. Source: the tests of Mixpanel's Go client."""

MAX_PROPERTIES = 2_000
"""Of a profile. Source: Mixpanel's page on user profiles, 2026-11; so too the next."""

MAX_NESTED_BYTES = 256_000

_OPERATORS = ("$set", "$unset", "$delete")
_OTHERS = ("$token", "$distinct_id", "$ip", "$time", "$ignore_time", "$ignore_alias")


@dataclass(frozen=True, slots=True)
class Update:
    """A valid update.

    Attributes:
        raw: as it came.
        changes: the properties of a `$set`; None = no `$set`.
        removed: the names of an `$unset`; None with no `changes` either = a `$delete`.
        has_address: it has an `$ip`, so that the address of the request means nothing.
        ignores_time: `$last_seen` stays as it is.
    """

    raw: bytes
    token: str
    distinct_id: str
    changes: Properties | None
    removed: list[str] | None
    has_address: bool
    ignores_time: bool


def read_updates(raw: bytes, settings: Settings) -> Iterator[Update | str]:
    """Read a body, an array or one update; each update that breaks a rule is given as what is wrong with it.

    Raises:
        one of reply.NOT_JSON: the body is not JSON, not UTF-8, or too deep.
    """
    is_array = raw.lstrip().startswith(b"[")
    for each in msgspec.json.decode(raw, type=list[msgspec.Raw]) if is_array else (raw,):
        yield _read(bytes(each), settings)


def _read(raw: bytes, settings: Settings) -> Update | str:
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        return "an update must be an object"
    if problem := _problem(value, len(raw), settings):
        return problem
    return Update(
        raw,
        value["$token"],
        value["$distinct_id"],
        value.get("$set"),
        value.get("$unset"),
        bool(value.get("$ip")),
        value.get("$ignore_time") is True,
    )


def _problem(update: Properties, size_bytes: int, settings: Settings) -> str:
    token, distinct_id = update.get("$token"), update.get("$distinct_id")
    operators = [name for name in update if name not in _OTHERS]
    if size_bytes >= settings.max_event_bytes:
        return f"an update must be smaller than {settings.max_event_bytes} bytes"
    if not (isinstance(token, str) and token):
        return "'$token' must not be missing"
    if not (isinstance(distinct_id, str) and distinct_id) or is_placeholder(distinct_id):
        return "'$distinct_id' must be a string that stands for someone"
    if len(operators) != 1 or operators[0] not in _OPERATORS:
        return f"an update must have one of {', '.join(_OPERATORS)}; the simulator has no other"
    return _operand_problem(operators[0], update[operators[0]], settings)


def _operand_problem(operator: str, value: Any, settings: Settings) -> str:
    if operator == "$unset":
        is_names = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
        return "" if is_names else "'$unset' must be a list of names"
    if operator == "$delete":
        return ""
    if not isinstance(value, dict):
        return "'$set' must be an object"
    if len(value) > MAX_PROPERTIES:
        return f"'$set' must not have more than {MAX_PROPERTIES} properties"
    nested = [each for each in value.values() if isinstance(each, (dict, list))]
    if any(len(msgspec.json.encode(each)) > MAX_NESTED_BYTES for each in nested):
        return f"a list or an object must not be larger than {MAX_NESTED_BYTES} bytes"
    return next(filter(None, (nested_problem(each, 1, settings) for each in nested)), "")
