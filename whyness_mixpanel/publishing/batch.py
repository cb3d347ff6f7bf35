"""Publishes a batch: nothing about people who do not want it, and a damaged row takes no other with it."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from whyness_mixpanel import conf, counters, parked, privacy
from whyness_mixpanel.backends import BACKFILL_GROUP, LIVE_GROUP
from whyness_mixpanel.publishing import outbox, publisher
from whyness_mixpanel.publishing.outbox import Claim, Waiting


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


def publish_claim(claim: Claim, is_wanted: Callable[[], bool]) -> Done:
    """Publish what is claimed; delete what is done, park what must wait for a person, free the rest later.

    Raises:
        django.db.Error: the database fails; what is not deleted yet is published again, and counts once.
    """
    done = publish(claim.rows, is_wanted)
    outbox.delete(sorted((*done.confirmed, *done.suppressed)), claim)
    parked.park(done.park, claim)
    done.delay_s = outbox.free_later(done.left, claim)
    return done


def publish(rows: Sequence[Waiting], is_wanted: Callable[[], bool]) -> Done:
    """Publish `rows`; raises nothing but what a signal handler does."""
    try:
        wanted, done = _filter(rows)
    except privacy.OptOutFailed as error:
        return Done(park={row.id: str(error) for row in rows})
    except (privacy.CannotFilter, conf.SettingError) as error:
        counters.add("failed", len(rows))
        return Done(left=list(rows), fault=str(error))
    wanted.sort(key=_travels_with)  # stable: the oldest stay in front
    for (identity, is_old, _), same in groupby(wanted, key=_travels_with):
        group = BACKFILL_GROUP if is_old else LIVE_GROUP
        _publish_same(list(same), identity, group, is_wanted, done)
    return done


def _travels_with(row: Waiting) -> tuple[str, bool, int]:
    """Return what rows of a message have in common: one that was refused often takes no fresh one with it."""
    return row.identity, row.is_old, row.attempts.bit_length()


def _publish_same(
    rows: Sequence[Waiting], identity: str, group: str, is_wanted: Callable[[], bool], done: Done
) -> None:
    published = publisher.publish_each(
        [row.encoded for row in rows], identity=identity, group=group, is_wanted=is_wanted
    )
    for index, row in enumerate(rows):
        if published.confirmed[index]:
            done.confirmed.append(row.id)
        elif reason := published.dead.get(index):
            done.park[row.id] = reason
        else:
            done.left.append(row)
    done.fault = done.fault or published.fault


def _filter(rows: Sequence[Waiting]) -> tuple[list[Waiting], Done]:
    """Return the rows that may be sent, and what becomes of the others."""
    about: dict[str, list[int]] = defaultdict(list)
    done = Done()
    for row in rows:
        try:
            for person in privacy.people_of(_read(row.encoded)):
                about[person].append(row.id)
        except (ValueError, RecursionError):
            done.park[row.id] = "its JSON cannot be read"
    unwanted = {id_ for person in privacy.unwanted_among(set(about)) for id_ in about.get(person, ())}
    done.suppressed = sorted(unwanted)
    counters.add("suppressed", len(unwanted))
    return [row for row in rows if row.id not in unwanted and row.id not in done.park], done


def _read(encoded: str) -> object:
    raw = json.loads(encoded)
    if not isinstance(raw, dict):
        raise ValueError  # noqa: TRY004  (it is as damaged as what is no JSON)
    return raw
