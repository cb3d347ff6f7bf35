"""Publishes a batch: nothing about people who do not want it, and a damaged row takes no other with it."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from whyness_mixpanel import conf, counters, privacy
from whyness_mixpanel.backends import BACKFILL_GROUP, LIVE_GROUP
from whyness_mixpanel.publishing import outbox, publisher
from whyness_mixpanel.publishing.outbox import Claim, Waiting

_DAMAGED = "its JSON cannot be read"


@dataclass(slots=True)
class Done:
    """What became of rows, by their ids.

    Args:
        confirmed: the queue has them.
        suppressed: nothing may be sent about their people any more.
        park: why others must wait for a person.
        left: the rows that may be tried again.
        fault: why, free of anything that was sent.
        delay_s: when they are free for that.
    """

    confirmed: list[int] = field(default_factory=list)
    suppressed: list[int] = field(default_factory=list)
    park: dict[int, str] = field(default_factory=dict)
    left: list[Waiting] = field(default_factory=list)
    fault: str = ""
    delay_s: float = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether none went and some are left."""
        return bool(self.left) and not (self.confirmed or self.park)


class _Filtered(NamedTuple):
    wanted: Sequence[Waiting]
    suppressed: Sequence[Waiting]
    damaged: Sequence[Waiting]


def publish_claim(claim: Claim, is_wanted: Callable[[], bool]) -> Done:
    """Publish what is claimed; delete what is done, park what must wait for a person, free the rest later.

    Raises:
        django.db.Error: the database fails; what is not deleted yet is published again, and counts once.
    """
    done = publish(claim.rows, is_wanted)
    outbox.delete(sorted((*done.confirmed, *done.suppressed)), claim)
    by_reason: dict[str, list[int]] = defaultdict(list)
    for id_, reason in done.park.items():
        by_reason[reason].append(id_)
    for reason, ids in by_reason.items():
        outbox.park_claimed(ids, claim, reason)
    done.delay_s = outbox.free_later(done.left, claim)
    return done


def publish(rows: Sequence[Waiting], is_wanted: Callable[[], bool] = lambda: True) -> Done:
    """Publish `rows`; raises nothing but what a signal handler does."""
    try:
        filtered = _filter(rows)
    except privacy.OptOutFailed as error:
        return Done(park={row.id: str(error) for row in rows})
    except (privacy.CannotFilter, conf.SettingError) as error:
        counters.add("failed", len(rows))
        return Done(left=list(rows), fault=str(error))
    done = Done(
        suppressed=[row.id for row in filtered.suppressed],
        park=dict.fromkeys((row.id for row in filtered.damaged), _DAMAGED),
    )
    counters.add("suppressed", len(done.suppressed))
    wanted = sorted(filtered.wanted, key=_travels_with)  # stable: the oldest stay in front
    for (identity, is_old, _), same in groupby(wanted, key=_travels_with):
        _publish_same(list(same), identity, BACKFILL_GROUP if is_old else LIVE_GROUP, is_wanted, done)
    return done


def _travels_with(row: Waiting) -> tuple[str, bool, int]:
    """Return what rows of a message have in common: one that was refused often takes no fresh one with it."""
    return row.identity, row.is_old, row.attempts.bit_length()


def _publish_same(
    rows: Sequence[Waiting], identity: str, group: str, is_wanted: Callable[[], bool], done: Done
) -> None:
    found = publisher.publish_each(
        [row.encoded for row in rows], identity=identity, group=group, is_wanted=is_wanted
    )
    for index, row in enumerate(rows):
        if found.confirmed[index]:
            done.confirmed.append(row.id)
        elif reason := found.dead.get(index):
            done.park[row.id] = reason
        else:
            done.left.append(row)
    done.fault = done.fault or found.fault


def _filter(rows: Sequence[Waiting]) -> _Filtered:
    people = {row.id: _people(row.encoded) for row in rows}
    readable = [row for row in rows if people[row.id] is not None]
    unwanted = privacy.unwanted_among(_all(people.values()))
    suppressed = {row.id for row in readable if (people[row.id] or set()) & unwanted}
    return _Filtered(
        [row for row in readable if row.id not in suppressed],
        [row for row in readable if row.id in suppressed],
        [row for row in rows if people[row.id] is None],
    )


def _people(encoded: str) -> set[str] | None:
    """Return whom an event is about; None where it is damaged."""
    try:
        raw = json.loads(encoded)
    except (ValueError, RecursionError):
        return None
    return privacy.people_of(raw) if isinstance(raw, dict) else None


def _all(people: Iterable[set[str] | None]) -> set[str]:
    return {person for some in people if some for person in some}
