"""One pass: sends what differs between a table and what Mixpanel confirmed, under the rule of order.

1. One sender at a time, by a lease; an answer counts only while the lease is held.
2. A request carries rows that were read after the last request about them ended.
3. What ended without a clear yes is unsure, marked before the request leaves; ten minutes after the latest
   doubt it is sent once more, from the row as it then is.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Max

from whyness_mixpanel.people.changes import Page, Reader
from whyness_mixpanel.people.delivery import Delivery, Ended, ReadAgain
from whyness_mixpanel.people.profile import Profile
from whyness_mixpanel.people.state import Sender, State
from whyness_mixpanel.people.update import Project, Renderer, Update

# A pass deletes nobody if it would delete more than this many people, and more than this part of them.
MOST_DELETES, MOST_PART_DELETED = 100, 0.1
# A transaction that was open at the last pass may have written rows that are older than that pass.
OVERLAP = timedelta(hours=1)
_KEYS = 500


class Result(NamedTuple):
    """What a pass did: counts of people, why some of them wait, and why it ended early. No value is shown."""

    counts: Counter[str]
    notes: list[str]
    ended: Ended | None


def sync(  # noqa: PLR0913  (what it works with, each by name)
    profiles: Sequence[Profile],
    *,
    project: Project,
    sender: Sender,
    delivery: Delivery | None,
    scrub: Callable[[Any], Any],
    is_recent: bool = False,
    most_deletes: int = 0,
) -> Result:
    """Make a pass over profiles.

    Args:
        profiles: whose rows.
        project: where the profiles go.
        sender: takes the lease, and gives it back.
        delivery: sends; None for a dry run, which neither sends nor writes.
        scrub: replaces secrets.
        is_recent: read only rows that have changed since the last pass that sent something.
        most_deletes: so many deletions of each profile are allowed, also where its table is empty.

    Raises:
        SettingError: a setting is invalid.
        django.db.Error: the database failed.
    """
    one, ended = Pass(project, sender, delivery, scrub, most_deletes), None
    if delivery and not sender.take():
        return Result(Counter(), [], Ended("Another process is sending profiles. Nothing was sent."))
    try:
        for profile in profiles:
            one.run(profile, is_recent=is_recent)
    except Ended as error:
        ended = error
    finally:
        if delivery:
            delivery.close()
            sender.release()
    counts = one.counts + delivery.counts if delivery else one.counts
    counts["unsure"] = sum(sender.unsure(profile.name).count() for profile in profiles)
    return Result(counts, one.notes, ended)


class Pass:
    """A pass under the lease; its parameters are those of `sync`.

    `counts` has what became of the rows, `notes` why some of them wait; neither shows a value.
    """

    def __init__(
        self,
        project: Project,
        sender: Sender,
        delivery: Delivery | None,
        scrub: Callable[[Any], Any],
        most_deletes: int,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self._project, self._sender, self._delivery, self._scrub = project, sender, delivery, scrub
        self._most_deletes = most_deletes

    def run(self, profile: Profile, *, is_recent: bool = False) -> None:
        """Send what differs. `is_recent`: read only what has changed since the last pass that sent something.

        Raises:
            Ended: it cannot go on.
            SettingError: a setting is invalid.
            django.db.Error: the database failed.
        """
        reader = Reader(profile, Renderer(profile, self._project, self._scrub), self._sender)
        recent = self._recent_keys(profile) if is_recent and profile.changed else None
        read_count = self.counts["read"]
        if recent is None:
            doomed = self._walk(profile, reader)
        else:
            doomed = array("q")
            for some in _slices(recent):
                doomed.extend(_keys(self._work(profile, partial(reader.of, some)).delete))
        is_empty = recent is None and self.counts["read"] == read_count
        if doomed and self._may_delete(profile, len(doomed), is_empty=is_empty):
            for some in _slices(doomed):
                self._work(profile, partial(reader.of, some), has_leave=True)

    def _walk(self, profile: Profile, reader: Reader) -> "array[int]":
        """Send what differs in the whole table; return the keys of people whose profiles must be deleted."""
        doomed = array("q")
        page = self._work(profile, partial(reader.after, None))
        doomed.extend(_keys(page.delete))
        while page.last_key is not None:
            page = self._work(profile, partial(reader.after, page.last_key))
            doomed.extend(_keys(page.delete))
        return doomed

    def _recent_keys(self, profile: Profile) -> Sequence[int] | None:
        """Return the keys of rows that changed lately, and of doubts; None where nothing was sent yet."""
        states = self._sender.states(profile.name)
        last = states.order_by().aggregate(last=Max("sent_at"))["last"]
        if last is None:
            return None
        changed = profile.rows().filter(**{f"{profile.changed}__gte": last - OVERLAP})
        doubted = states.filter(unsure_at__isnull=False)
        keys = {*changed.values_list("pk", flat=True), *doubted.values_list("key", flat=True)}
        return array("q", sorted(keys))

    def _work(self, profile: Profile, read: Callable[[], Page], *, has_leave: bool = False) -> Page:
        """Read a page and send its updates, with `has_leave` the deletions too; return what was read last."""
        while True:
            page = read()
            try:
                self._send(profile.name, page, page.delete if has_leave else [])
            except ReadAgain:
                continue
            self.counts["read"] += 0 if has_leave else page.row_count
            if page.waiting:
                self.notes.append(f"{profile.name}: {page.row_count} rows wait: {page.waiting}.")
            return page

    def _send(self, source: str, page: Page, deletes: Sequence[Update]) -> None:
        if self._delivery is None:
            self.counts["would send"] += len(page.send)
            self.counts["would refuse"] += len(page.refuse)
            return
        if page.refuse:
            self._delivery.need(self._sender.refuse(source, page.refuse))
            self.counts["refused"] += len(page.refuse)
        self._delivery.send(source, [*page.send, *deletes])

    def _may_delete(self, profile: Profile, count: int, *, is_empty: bool) -> bool:
        if self._delivery is None:
            self.counts["would delete"] += count
        known = self._sender.states(profile.name).exclude(state=State.DELETED).count()
        usual = 0 if is_empty else max(MOST_DELETES, int(MOST_PART_DELETED * known))
        most = max(usual, self._most_deletes)
        if count > most:
            why = "its table is empty" if is_empty else f"it has {known}"
            self.notes.append(
                f"{profile.name}: {count} people would lose their profiles ({why}). None was deleted. If "
                f"that is right, run: manage.py mixpanel_profiles sync --confirm-deletes {count}"
            )
            self.counts["withheld"] += count
        return self._delivery is not None and count <= most


def _keys(updates: Sequence[Update]) -> Iterator[int]:
    return (update.key for update in updates)


def _slices(keys: Sequence[int]) -> Iterator[list[int]]:
    return (list(keys[start : start + _KEYS]) for start in range(0, len(keys), _KEYS))
