"""A fault: which requests it strikes, and how. It has the same fields in Python and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from .body import ImportBody
from .reply import Refused

CONNECTIONS = ("", "reset", "hang", "refuse")
COUNTS = ("", "short", "missing")
APIS = ("import", "export")
LINES = ("", "terminated", "split")


class FaultError(ValueError):
    """A fault is invalid; the text names the field and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A condition, all parts of which must hold, and an effect.

    Args:
        api: whose requests it strikes: "import" or "export".
        name: shown in the list of faults and in the last requests.
        probability: 0..1, drawn for each request that meets the other conditions.
        seed: of the draws; the same seed strikes the same requests of a sequence.
        next_requests: strike this many requests, then none; 0 = no limit.
        after_s: not before so many seconds after it was added.
        for_s: for so many seconds, counted from `after_s`; 0 = until removed.
        body_contains: text in the uncompressed body, exactly as sent.
        over_events: only requests with more events than this; 0 = any.
        over_bytes: only requests with an uncompressed body larger than this; 0 = any.
        status: answer with this instead of Mixpanel's own answer; 0 = Mixpanel's own.
        body: text, or an object for JSON; the default is Mixpanel's text for that status, or its name.
        headers: of that answer.
        count: a 200 whose `num_records_imported` is one "short" or "missing".
        lines: of an export: "terminated" (half of them, then `terminated early`) or "split" (the first is
            two lines).
        cut: announce the whole answer, send half, close.
        delay_s: wait before the answer, after any import.
        drip_s: pause after each byte of the answer, head included.
        connection: "reset" (no answer, TCP reset), "hang" (no answer, ever), "refuse" (the port is closed;
            needs `for_s`, and allows only the time conditions).
        ingest: import the request first. Otherwise an effect that replaces the answer replaces the import
            too; one that does not (`cut`, `delay_s`, `drip_s` alone) always imports.
    """

    name: str = ""
    api: str = "import"
    probability: float = 1.0
    seed: int = 0
    next_requests: int = 0
    after_s: float = 0.0
    for_s: float = 0.0
    body_contains: str = ""
    over_events: int = 0
    over_bytes: int = 0
    status: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    count: str = ""
    cut: bool = False
    lines: str = ""
    delay_s: float = 0.0
    drip_s: float = 0.0
    connection: str = ""
    ingest: bool = False

    def __post_init__(self) -> None:
        """Refuse invalid faults.

        Raises:
            FaultError: names the field and what is allowed.
        """
        _check_types(self)
        _check_ranges(self)
        _check_effect(self)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Build a fault from a decoded JSON object.

        Raises:
            FaultError: not an object, an unknown field, or an invalid fault.
        """
        if not isinstance(value, dict):
            raise FaultError("a fault must be a JSON object")
        unknown = sorted(set(value) - set(_FIELDS))
        if unknown:
            raise FaultError(f"no field {unknown[0]!r}; the fields are {', '.join(_FIELDS)}")
        return cls(**value)

    def is_met_by(self, body: ImportBody) -> bool:
        """Return whether a request's body meets the conditions; an unreadable one does not."""
        try:
            return (
                (not self.body_contains or self.body_contains.encode() in body.plain)
                and (not self.over_bytes or len(body.plain) > self.over_bytes)
                and (not self.over_events or len(body.events.elements) > self.over_events)
            )
        except Refused:
            return False


_FIELDS = tuple(field.name for field in fields(Fault))
_TYPES: dict[Any, tuple[type, ...]] = {
    float: (int, float),
    int: (int,),
    str: (str,),
    bool: (bool,),
    Mapping[str, str]: (Mapping,),
}


def _check_types(fault: Fault) -> None:
    for item in fields(Fault):
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


def _check_ranges(fault: Fault) -> None:
    if not 0 < fault.probability <= 1:
        raise FaultError("probability must be above 0 and at most 1")
    for name in ("next_requests", "after_s", "for_s", "over_events", "over_bytes", "delay_s", "drip_s"):
        if not 0 <= getattr(fault, name) < float("inf"):
            raise FaultError(f"{name} must be 0 or more")
    if fault.status and not 200 <= fault.status <= 599:  # noqa: PLR2004  HTTP's final statuses
        raise FaultError("status must be from 200 to 599")
    if fault.connection not in CONNECTIONS:
        raise FaultError("connection must be reset, hang or refuse")
    if fault.count not in COUNTS:
        raise FaultError("count must be short or missing")
    if fault.api not in APIS:
        raise FaultError("api must be import or export")
    if fault.lines not in LINES:
        raise FaultError("lines must be terminated or split")


def _check_effect(fault: Fault) -> None:
    if sum(map(bool, (fault.status, fault.count, fault.connection))) > 1:
        raise FaultError("give only one of status, count and connection")
    if not any(
        (fault.status, fault.count, fault.connection, fault.cut, fault.lines, fault.delay_s, fault.drip_s)
    ):
        raise FaultError("no effect: give status, count, cut, delay_s, drip_s or connection")
    if (fault.body is not None or fault.headers) and not fault.status:
        raise FaultError("body and headers need a status")
    if fault.connection and (fault.cut or fault.drip_s):
        raise FaultError("cut and drip_s need an answer, and connection gives none")
    if fault.connection == "refuse":
        _check_refusal(fault)
    _check_api(fault)


def _check_api(fault: Fault) -> None:
    of_imports = ("body_contains", "over_events", "over_bytes", "count", "ingest")
    if fault.api == "export" and any(getattr(fault, name) for name in of_imports):
        raise FaultError(f"an export has no {', '.join(of_imports)}")
    if fault.lines and (fault.api == "import" or fault.status or fault.connection):
        raise FaultError("lines are of an export's own answer")


def _check_refusal(fault: Fault) -> None:
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
