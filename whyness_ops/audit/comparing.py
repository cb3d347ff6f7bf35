"""Pure: an expected event and the row of the export that has its name and insert id: what differs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from whyness_ops.audit.audited_event import AuditedEvent
from whyness_ops.audit.normalisations import SECONDS_ONLY, Difference, compare_properties

_DEVICE = "$device:"


class Person(NamedTuple):
    """Whether the person is the same, and whether the export speaks of a merged one."""

    is_same: bool
    is_merged: bool


def compare(
    expected: AuditedEvent, exported: AuditedEvent, *, expected_local_ms: int, derived: bool
) -> tuple[list[Difference], bool]:
    """Return what differs, and whether the person was merged.

    Args:
        expected: as translated.
        exported: as Mixpanel has it.
        expected_local_ms: the expected time as the project's export writes it.
        derived: compare what is derived, too.
    """
    differences = []
    if exported.time_ms != expected_local_ms:
        seconds_only = exported.time_ms == expected_local_ms // 1000 * 1000
        differences.append(
            Difference("time", SECONDS_ONLY * seconds_only, expected_local_ms, exported.time_ms)
        )
    person = compare_person(str(expected.properties.get("distinct_id", "")), exported)
    if not person.is_same:
        pair = expected.properties.get("distinct_id", ""), exported.properties.get("distinct_id", "")
        differences.append(Difference("distinct_id", "", *pair))
    differences += compare_properties(expected.properties, exported.properties, derived=derived)
    return differences, person.is_merged


def compare_person(expected: str, exported: AuditedEvent) -> Person:
    """Compare the person.

    A person with another canonical id is merged, unless the export says that another id was sent, or that
    one of the two belongs to nobody: nobody cannot be merged.
    """
    properties = exported.properties
    canonical = properties.get("distinct_id", "")
    if expected in _sent_ids(properties, hot_sharded=exported.hot_sharded):
        return Person(True, expected != canonical and not exported.hot_sharded)  # noqa: FBT003  (a pair)
    sent = properties.get("$distinct_id_before_identity") or properties.get("mp_original_distinct_id")
    is_merged = bool(expected and canonical and not sent)
    return Person(is_merged, is_merged)


def _sent_ids(properties: Mapping[str, Any], *, hot_sharded: bool) -> set[str]:
    names = ["$distinct_id_before_identity", "mp_original_distinct_id", "$user_id", "$device_id"]
    if not (hot_sharded and properties.get("mp_original_distinct_id")):
        names.append("distinct_id")
    ids = {value for name in names if isinstance(value := properties.get(name), str)}
    device = properties.get("$device_id")
    return ids | {f"{_DEVICE}{device}"} if isinstance(device, str) else ids
