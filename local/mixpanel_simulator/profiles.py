"""The profiles of a project. Not thread-safe."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from .ingest import cut
from .rules import Properties
from .updates import MAX_PROPERTIES, Update

DATA_CENTRE = {
    "$city": "Ashburn",
    "$region": "Virginia",
    "$country_code": "US",
    "$timezone": "America/New_York",
}
"""Where a `$set` moves a person, if it does not say that the address of the request means nothing."""

_DEVICE = "$device:"


class Profile(NamedTuple):
    """A profile as it is at one moment; later updates make another."""

    distinct_id: str
    properties: Properties


class Profiles:
    """By `distinct_id`."""

    def __init__(self) -> None:
        self._profiles: dict[str, Profile] = {}

    def apply(self, update: Update, *, is_located: bool, now_s: float) -> None:
        """Carry out a valid update.

        Args:
            update: of this project.
            is_located: the address of the request says where the person is.
            now_s: arrival, epoch seconds.
        """
        before = self._profiles.get(update.distinct_id, Profile(update.distinct_id, {})).properties
        if update.changes is not None:
            changes = {cut(name): _cut(value) for name, value in update.changes.items()}
            after = before | changes | (DATA_CENTRE if is_located else {})
        elif update.removed is not None:
            after = {name: value for name, value in before.items() if name not in update.removed}
        else:
            self._profiles.pop(update.distinct_id, None)
            return
        if len(after.keys() - {"$last_seen"}) > MAX_PROPERTIES:
            return
        if not update.ignores_time:
            after["$last_seen"] = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        if update.changes is not None or update.distinct_id in self._profiles:
            self._profiles[update.distinct_id] = Profile(update.distinct_id, after)

    def remove(self, distinct_ids: Iterable[str]) -> None:
        """Delete people's profiles, those of devices too."""
        for distinct_id in distinct_ids:
            self._profiles.pop(distinct_id, None)
            self._profiles.pop(_DEVICE + distinct_id, None)

    def all(self) -> list[Profile]:
        """Return every profile, oldest first."""
        return list(self._profiles.values())


def _cut(value: object) -> object:
    return cut(value) if isinstance(value, str) else value
