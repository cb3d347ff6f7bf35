"""Pure: what Mixpanel is known, or only suspected, to alter in an event. The table is the one place."""

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

UNPROBED = "unprobed"


class Kind(enum.StrEnum):
    """What becomes of a property in the comparison."""

    APART = "compared apart"
    ADDED = "not compared: Mixpanel adds it"
    REMOVED = "not compared: Mixpanel removes it"
    DERIVED = "compared with --derived"
    SHOWN = "shown; counts with --strict"


class Normalisation(NamedTuple):
    """A row: which properties or values, what Mixpanel does to them, who says so.

    Args:
        what: for people.
        kind: what becomes of it.
        source: or UNPROBED.
        names: the properties; empty for a rule of values.
        explains: whether the rule explains that a value comes back as another.
    """

    what: str
    kind: Kind
    source: str
    names: frozenset[str] = frozenset()
    explains: Callable[[Any, Any], bool] = lambda _expected, _exported: False


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def _is_dropped(expected: Any, exported: Any) -> bool:
    return exported is ABSENT and expected in (None, "", [], {})


def _is_same_number(expected: Any, exported: Any) -> bool:
    numbers = [value for value in (expected, exported) if isinstance(value, int | float)]
    if len(numbers) != 2 or any(isinstance(value, bool) for value in numbers):  # noqa: PLR2004  (both)
        return False
    return float(numbers[0]) == float(numbers[1])


def _is_same_moment(expected: Any, exported: Any) -> bool:
    moments = [_moment(value) for value in (expected, exported)]
    return None not in moments and moments[0] == moments[1]


def _moment(value: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parsed if parsed is None or parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _is_never_sent(expected: Any, exported: Any) -> bool:
    return expected is ABSENT and exported is not ABSENT


_PROBES = "live probes of mixpanel-import's author, 2026-08"
_RESERVED = "docs.mixpanel.com property-reference/reserved-properties, default-properties"
_LOCATION = "docs.mixpanel.com/docs/tracking-best-practices/geolocation"
GEOGRAPHY = frozenset({"$city", "$region", "mp_country_code"})

NORMALISATIONS = (
    Normalisation(
        "time: the local time of projects from before 2023, counted as if it were UTC; measured",
        Kind.APART,
        "Mixpanel's old help page; other connectors convert, some do not",
        frozenset({"time"}),
    ),
    Normalisation("insert id: as sent", Kind.APART, _PROBES, frozenset({"$insert_id"})),
    Normalisation(
        "person: the canonical id after merges, what was sent beside it; a device id without its prefix",
        Kind.APART,
        _PROBES,
        frozenset({"distinct_id", "$distinct_id_before_identity", "$user_id", "$device_id"}),
    ),
    Normalisation(
        "hot shard: another event name and no person, the originals beside them",
        Kind.APART,
        "docs.mixpanel.com/docs/tracking-best-practices/hot-shard-limits",
        frozenset({"mp_original_event_name", "mp_original_distinct_id"}),
    ),
    Normalisation(
        "marks of import, arrival, processing and identity",
        Kind.ADDED,
        _RESERVED,
        frozenset({"$import", "$mp_api_endpoint", "$mp_api_timestamp_ms", "mp_processing_time_ms"})
        | {"$mp_event_size", "$is_reshuffled", "$identity_failure_reason"},
    ),
    Normalisation("address: looked up, not kept", Kind.REMOVED, _LOCATION, frozenset({"ip"})),
    Normalisation("geography: looked up from the address", Kind.DERIVED, _LOCATION, GEOGRAPHY),
    Normalisation(
        "browser, system and library: as the version that sent the event saw them",
        Kind.DERIVED,
        "this package: they change with its version",
        frozenset({"$browser", "$browser_version", "$os", "$os_version", "$device", "$brand", "$model"})
        | {"mp_lib", "$lib_version"},
    ),
    Normalisation("a value that is null or empty is not kept", Kind.SHOWN, UNPROBED, explains=_is_dropped),
    Normalisation(
        "a number is written otherwise: 1.0 as 1, or an integer beyond 2^53 rounded",
        Kind.SHOWN,
        UNPROBED,
        explains=_is_same_number,
    ),
    Normalisation("a date is written otherwise", Kind.SHOWN, UNPROBED, explains=_is_same_moment),
    Normalisation("a property that was never sent", Kind.SHOWN, UNPROBED, explains=_is_never_sent),
)
# Of `time` itself, which is compared apart.
SECONDS_ONLY = "the time comes back without its milliseconds"


def _names(*kinds: Kind) -> frozenset[str]:
    return frozenset().union(*(row.names for row in NORMALISATIONS if row.kind in kinds))


_NEVER_COMPARED = _names(Kind.APART, Kind.ADDED, Kind.REMOVED)
_DERIVED = _names(Kind.DERIVED)


def left_out(*, derived: bool) -> frozenset[str]:
    """Return the properties that the comparison of properties leaves out."""
    return _NEVER_COMPARED if derived else _NEVER_COMPARED | _DERIVED


class Difference(NamedTuple):
    """A property that differs, and the unprobed rule that may explain it, `""` for none."""

    name: str
    unprobed: str
    expected: Any = ABSENT
    exported: Any = ABSENT


def compare_properties(
    expected: Mapping[str, Any], exported: Mapping[str, Any], *, derived: bool
) -> list[Difference]:
    """Return the properties that differ after what Mixpanel is known to do; sorted by name."""
    names = (expected.keys() | exported.keys()) - left_out(derived=derived)
    found = []
    for name in sorted(names):
        pair = expected.get(name, ABSENT), exported.get(name, ABSENT)
        if (name in _DERIVED and pair[0] is ABSENT) or _is_equal(*pair):
            continue
        rule = next((row.what for row in NORMALISATIONS if row.explains(*pair)), "")
        found.append(Difference(name, rule, *pair))
    return found


def _is_equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; True is not 1, and 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_equal(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    return bool(one == other)
