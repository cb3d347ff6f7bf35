"""Publishing while a page waits: within its budget, and nothing that fails here reaches the page."""

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from django.db import Error, connections
from django.utils import timezone

from whyness_mixpanel import conf, counters, outbox, packing, privacy, publisher
from whyness_mixpanel.outbox import Waiting
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")

# A row this old is one that nobody is publishing at the moment.
OLD_S = 30
# How often a process looks for such rows.
_LOOK_EACH_S = 5.0
_OLD_ROWS = 200

_last_look_s = 0.0


class Published(NamedTuple):
    """What became of rows, by their ids.

    Args:
        confirmed: the queue has them.
        suppressed: nothing may be sent about their people any more.
        park: why others must wait for a person; all that is left may be tried again.
    """

    confirmed: Sequence[int] = ()
    suppressed: Sequence[int] = ()
    park: Mapping[int, str] = MappingProxyType({})


def publish_now(rows: Sequence[Outbox], alias: str) -> bool:
    """Publish `rows`, which are not written yet; write to the outbox what the queue does not confirm."""
    done = publish([Waiting(index, row.identity, row.encoded) for index, row in enumerate(rows)])
    for index, reason in done.park.items():
        rows[index].state, rows[index].reason = Outbox.State.PARKED, reason
    if done.park:
        outbox.park([rows[index] for index in done.park], alias)
    gone = {*done.confirmed, *done.suppressed, *done.park}
    missed = [row for index, row in enumerate(rows) if index not in gone]
    if missed and not outbox.write(missed, alias):
        counters.add("lost", len(missed))
        return False
    return not done.park


def publish_claim(claim: str, alias: str, *, first_id: int, last_id: int) -> None:
    """Publish the rows of `claim` and delete those that are done; the rest is the drain's."""
    try:
        rows = outbox.of_claim(claim, alias, first_id=first_id, last_id=last_id)
        done = publish(rows)
        settle(done, rows, claim, alias)
        if rows and len(done.confirmed) == len(rows):
            _publish_old(alias)
    except Error as error:
        logger.warning(
            "The outbox cannot be read: %s. Its events are left to the drain.", type(error).__name__
        )


def settle(done: Published, rows: Sequence[Waiting], claim: str, alias: str) -> list[int]:
    """Delete the rows that are done, park what must wait for a person; return the ids of what is left."""
    gone = sorted((*done.confirmed, *done.suppressed))
    outbox.delete(gone, claim, alias)
    by_reason: dict[str, list[int]] = defaultdict(list)
    for id_, reason in done.park.items():
        by_reason[reason].append(id_)
    for reason, ids in by_reason.items():
        outbox.park_claimed(ids, claim, alias, reason)
    return sorted({row.id for row in rows}.difference(gone, done.park))


def publish(rows: Sequence[Waiting], *, budget_s: float | None = None) -> Published:
    """Publish `rows`, but nothing about people who do not want it; see `publisher.publish_each`."""
    try:
        allowed = set(privacy.filter_suppressed([row.encoded for row in rows]))
    except privacy.OptOutFailed as error:
        return Published(park={row.id: str(error) for row in rows})
    except (privacy.CannotFilter, conf.SettingError) as error:
        publisher.record(failed=len(rows), fault=str(error))
        return Published()
    suppressed = [row.id for row in rows if row.encoded not in allowed]
    confirmed: list[int] = []
    park: dict[int, str] = {}
    wanted = (row for row in rows if row.encoded in allowed)
    for identity, group in groupby(wanted, key=lambda row: row.identity):
        same = list(group)
        done = publisher.publish_each([row.encoded for row in same], identity=identity, budget_s=budget_s)
        confirmed += [row.id for row, is_confirmed in zip(same, done.confirmed, strict=True) if is_confirmed]
        park |= {same[index].id: reason for index, reason in done.dead.items()}
    return Published(confirmed, suppressed, park)


def _publish_old(alias: str) -> None:
    """Take one old message along, now and then: a site without a drain catches up by itself."""
    global _last_look_s  # noqa: PLW0603  (one rhythm per process)
    now_s = time.monotonic()
    if now_s - _last_look_s < _LOOK_EACH_S or connections[alias].in_atomic_block:
        return
    _last_look_s = now_s
    older_than = timezone.now() - timedelta(seconds=OLD_S)
    claim, rows = outbox.claim_oldest(
        alias, count=_OLD_ROWS, older_than=older_than, max_bytes=packing.MESSAGE_BYTES
    )
    outbox.give_back(claim, settle(publish(rows), rows, claim, alias), alias)
