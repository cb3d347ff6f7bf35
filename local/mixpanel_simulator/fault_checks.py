"""Which combinations of a fault's fields are valid. Pure."""

from collections.abc import Mapping
from dataclasses import fields
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fault import Fault

CONNECTIONS = ("", "reset", "hang", "refuse")
COUNTS = ("", "short", "missing")
APIS = ("import", "export", "engage", "query")
LINES = ("", "terminated", "split")
_EFFECTS = ("status", "count", "connection", "cut", "lines", "delay_s", "drip_s", "invalid", "late_s")
_OF_BODIES = ("body_contains", "over_events", "over_bytes", "count", "ingest")
_TYPES: dict[Any, tuple[type, ...]] = {
    float: (int, float),
    int: (int,),
    str: (str,),
    bool: (bool,),
    Mapping[str, str]: (Mapping,),
}


class FaultError(ValueError):
    """A fault is invalid; the text names the field and what is allowed."""


def check(fault: "Fault") -> None:
    """Refuse an invalid fault.

    Raises:
        FaultError: names the field and what is allowed.
    """
    _check_types(fault)
    _check_ranges(fault)
    _check_effect(fault)


def _check_types(fault: "Fault") -> None:
    for item in fields(fault):
        allowed = _TYPES.get(item.type)
        value = getattr(fault, item.name)
        is_wrong_bool = isinstance(value, bool) and item.type is not bool
        if allowed and (is_wrong_bool or not isinstance(value, allowed)):
            raise FaultError(
                f"{item.name} must be of type {allowed[-1].__name__}, not {type(value).__name__}"
            )
    if not all(isinstance(part, str) for header in fault.headers.items() for part in header):
        raise FaultError("headers must be text")
    if not isinstance(fault.body, (str, dict, list, type(None))):
        raise FaultError("body must be a text, an object or an array")


def _check_ranges(fault: "Fault") -> None:
    if not 0 < fault.probability <= 1:
        raise FaultError("probability must be above 0 and at most 1")
    for item in fields(fault):
        if item.type in {int, float} and item.name != "seed" and not 0 <= getattr(fault, item.name) < inf:
            raise FaultError(f"{item.name} must be 0 or more")
    if fault.status and not 200 <= fault.status <= 599:  # noqa: PLR2004  HTTP's final statuses
        raise FaultError("status must be from 200 to 599")
    if fault.connection not in CONNECTIONS:
        raise FaultError("connection must be reset, hang or refuse")
    if fault.count not in COUNTS:
        raise FaultError("count must be short or missing")
    if fault.invalid > 1:
        raise FaultError("invalid must be at most 1")
    if fault.api not in APIS:
        raise FaultError("api must be import or export, engage or query")
    if fault.lines not in LINES:
        raise FaultError("lines must be terminated or split")


def _check_effect(fault: "Fault") -> None:
    if sum(map(bool, (fault.status, fault.count, fault.connection))) > 1:
        raise FaultError("give only one of status, count and connection")
    if not any(getattr(fault, name) for name in _EFFECTS):
        raise FaultError("no effect: give status, count, cut, delay_s, drip_s or connection")
    if (fault.body is not None or fault.headers) and not fault.status:
        raise FaultError("body and headers need a status")
    if fault.connection and (fault.cut or fault.drip_s):
        raise FaultError("cut and drip_s need an answer, and connection gives none")
    if fault.connection == "refuse":
        _check_refusal(fault)
    _check_api(fault)


def _check_api(fault: "Fault") -> None:
    query = {"export": "an export", "query": "a query"}.get(fault.api)
    if query and any(getattr(fault, name) for name in _OF_BODIES):
        raise FaultError(f"{query} has no {', '.join(_OF_BODIES)}")
    if fault.count and fault.api != "import":
        raise FaultError("count is of imports")
    if fault.lines and (fault.api != "export" or fault.status or fault.connection):
        raise FaultError("lines are of an export's own answer")
    is_of_people = fault.invalid or fault.late_s or fault.swap
    if is_of_people and (fault.api != "engage" or (_is_scripted(fault) and not fault.ingest)):
        raise FaultError("invalid, late_s and swap are of api engage, and need ingest beside another answer")
    if fault.swap and not fault.late_s:
        raise FaultError("swap needs late_s, for a request that is the last one")


def _is_scripted(fault: "Fault") -> bool:
    return bool(fault.status or fault.connection)


def _check_refusal(fault: "Fault") -> None:
    if not fault.for_s:
        raise FaultError("refuse needs for_s, because a closed port takes no request to remove the fault")
    if fault.ingest or fault.delay_s:
        raise FaultError("refuse takes no requests: leave out ingest and delay_s")
    if (
        fault.probability < 1
        or fault.next_requests
        or fault.body_contains
        or fault.over_events
        or fault.over_bytes
    ):
        raise FaultError("refuse sees no requests: only after_s and for_s can limit it")
