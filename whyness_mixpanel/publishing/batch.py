"""Publishes a batch: leaves out suppressed people, and isolates damaged rows from the others."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from whyness_mixpanel import conf, counters
from whyness_mixpanel.backends import BACKFILL_GROUP, LIVE_GROUP
from whyness_mixpanel.faults import is_of_signal, type_name
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.publishing import outbox, parked, publisher
from whyness_mixpanel.publishing.outbox import Claim, Waiting

# After this many refused calls, the rest of a batch waits, because it would be refused too.
_MOST_VAIN = 2


@dataclass(slots=True)
class Done:
    """The results of a batch, by the ids of its rows.

    Args:
        confirmed: rows that the queue has.
        suppressed: rows whose person is suppressed or opted out.
        park: the reasons of rows that must wait for a person.
        left: rows to try again.
        fault: why; free of anything that was sent.
        early: rows whose time is in the future.
        delay_s: seconds until `left` and `early` are free for another attempt.
    """

    confirmed: list[int] = field(default_factory=list)
    suppressed: list[int] = field(default_factory=list)
    park: dict[int, str] = field(default_factory=dict)
    left: list[Waiting] = field(default_factory=list)
    fault: str = ""
    early: list[Waiting] = field(default_factory=list)
    delay_s: float = 0.0

    @property
    def again(self) -> list[Waiting]:
        """The rows that stay pending."""
        return [*self.left, *self.early]

    @property
    def has_failed(self) -> bool:
        """Whether none was published and some are left."""
        return bool(self.left) and not (self.confirmed or self.park)


def publish_claim(claim: Claim, is_wanted: Callable[[], bool]) -> Done:
    """Publish claimed rows; delete those that are done, park those for a person, free the rest later.

    Raises:
        django.db.Error: the database failed. Rows not deleted yet are published again, and count once.
    """
    done = publish(claim.rows, is_wanted)
    outbox.delete(sorted((*done.confirmed, *done.suppressed)), claim)
    parked.park(done.park, claim)
    done.delay_s = outbox.free_later(done.again, claim)
    return done


def publish(rows: Sequence[Waiting], is_wanted: Callable[[], bool]) -> Done:
    """Publish `rows`; raises only what a signal handler raised."""
    try:
        wanted, done = _filter(rows)
    except filters.OptOutFailed as error:
        return Done(park={row.id: str(error) for row in rows})
    except Exception as error:  # also a site's router
        if is_of_signal(error):
            raise
        counters.add("failed", len(rows))
        known = isinstance(error, filters.CannotFilter | conf.SettingError)
        return Done(left=list(rows), fault=str(error) if known else type_name(error))
    turn = random.getrandbits(10)  # so that no group of rows always comes first
    by_group: dict[tuple[int, str, bool, int], list[Waiting]] = defaultdict(list)
    for row in wanted:
        by_group[_group(row, turn)].append(row)
    vain_count = 0
    for _, same in sorted(by_group.items()):
        vain_count += _publish_same(same, lambda: vain_count < _MOST_VAIN and is_wanted(), done)  # noqa: B023
    return done


def _group(row: Waiting, turn: int) -> tuple[int, str, bool, int]:
    """Return the group of rows that share a call; fresh rows come first.

    A refused row shares no call with fresh ones, and with each attempt only with a quarter of those that were
    refused together with it. So an event for which the queue refuses whole calls is soon alone.
    """
    part = (row.id + turn) % (1 << min(2 * (row.attempts - 1), 10))
    return row.attempts, row.identity, row.is_old, part


def _publish_same(rows: Sequence[Waiting], is_wanted: Callable[[], bool], done: Done) -> int:
    """Publish the rows of a group; return how much this counts towards ending the batch."""
    published = publisher.publish_each(
        [row.encoded for row in rows],
        identity=rows[0].identity,
        group=BACKFILL_GROUP if rows[0].is_old else LIVE_GROUP,
        is_wanted=is_wanted,
    )
    for index, row in enumerate(rows):
        if published.confirmed[index]:
            done.confirmed.append(row.id)
        elif reason := published.dead.get(index):
            done.park[row.id] = reason
        elif index in published.early:
            done.early.append(row)
        else:
            done.left.append(row)
    done.fault = done.fault or published.fault
    if any(published.confirmed) or published.dead or not published.fault:
        return 0
    return 1 if published.answered is publisher.Answered.WHOLE_CALL else _MOST_VAIN


def _filter(rows: Sequence[Waiting]) -> tuple[list[Waiting], Done]:
    """Return the rows that may be sent, and the results of the others."""
    about: dict[str, list[int]] = defaultdict(list)
    done = Done()
    for row in rows:
        try:
            for person in filters.people_of(_read(row.encoded)):
                about[person].append(row.id)
        except (ValueError, RecursionError):
            done.park[row.id] = "its JSON cannot be read"
    unwanted = {id_ for person in filters.unwanted_among(set(about)) for id_ in about.get(person, ())}
    done.suppressed = sorted(unwanted)
    counters.add("suppressed", len(unwanted))
    return [row for row in rows if row.id not in unwanted and row.id not in done.park], done


def _read(encoded: str) -> object:
    raw = json.loads(encoded)
    if not isinstance(raw, dict):
        raise ValueError  # noqa: TRY004  (handled like invalid JSON)
    return raw
