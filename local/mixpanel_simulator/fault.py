"""A fault: which requests it strikes, and how. It has the same fields in Python and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from .body import ImportBody
from .fault_checks import APIS, FaultError, check
from .reply import Refused

__all__ = ["APIS", "Fault", "FaultError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A condition, all parts of which must hold, and an effect.

    Args:
        api: whose requests it strikes: "import", "export", "engage" (profiles are
            changed) or "query" (they are asked for).
        name: shown in the list of faults and in the last requests.
        probability: 0..1, drawn for each request that meets the other conditions.
        seed: of the draws; the same seed strikes the same requests of a sequence.
        next_requests: strike this many requests, then none; 0 = no limit.
        after_s: not before so many seconds after it was added.
        for_s: for so many seconds, counted from `after_s`; 0 = until removed.
        body_contains: text in the uncompressed body, exactly as sent.
        over_events: only requests with more events, or updates, than this; 0 = any.
        over_bytes: only requests with an uncompressed body larger than this; 0 = any.
        status: answer with this instead of Mixpanel's own answer; 0 = Mixpanel's own.
        body: text, or an object for JSON; the default is Mixpanel's text for that status, or its name.
        headers: of that answer.
        count: a 200 whose `num_records_imported` is one "short" or "missing".
        lines: of an export: "terminated" (half of them, then `terminated early`) or "split" (the first is
            two lines).
        invalid: of a change of profiles: refuse this share of the updates, drawn by `seed`; with
            `body_contains`, of those with the text.
        late_s: of a change of profiles: it acts so long after it arrived.
        swap: with `late_s`: it acts after the next request, if that comes sooner.
        cut: announce the whole answer, send half, close.
        delay_s: wait before the answer, after any import.
        drip_s: pause after each byte of the answer, head included.
        connection: "reset" (no answer, TCP reset), "hang" (no answer, ever), "refuse" (the port is closed;
            needs `for_s`, and allows only the time conditions).
        ingest: import the request first, or act on it. Otherwise an effect that replaces the answer replaces
            that too; one that does not (`cut`, `delay_s`, `drip_s` alone) always imports.
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
    invalid: float = 0.0
    late_s: float = 0.0
    swap: bool = False
    delay_s: float = 0.0
    drip_s: float = 0.0
    connection: str = ""
    ingest: bool = False

    def __post_init__(self) -> None:
        """Refuse invalid faults.

        Raises:
            FaultError: names the field and what is allowed.
        """
        check(self)

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
