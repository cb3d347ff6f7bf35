"""One pass: sends what differs between a table and what Mixpanel confirmed, under the rule of order.

1. One sender at a time, by a lease; an answer counts only while the lease is held.
2. A request carries rows that were read after the last request about them ended.
3. What ended without a clear yes is unsure, marked before the request leaves; ten minutes after the latest
   doubt it is sent once more, from the row as it then is.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
    ended: Ended | None = None


def sync(  # noqa: PLR0913  (what it works with, each by name)
    profiles: Sequence[Profile],
    *,
    project: Project,
    sender: Sender,
    delivery: Delivery | None,
    scrub: Callable[[Any], Any],
    is_recent: bool = False,
    most_deletes: int = 0,
    prove: Callable[[], bool] = lambda: False,
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
        prove: called until it has returned True once for the project: whether a profile that was written
            was read back. It raises Ended where it was not, for Mixpanel says yes to any token.

    Raises:
        SettingError: a setting is invalid.
        django.db.Error: the database failed.
    """
    if delivery is None:
        return _passed(profiles, _Pass(project, sender, None, scrub, most_deletes), is_recent=is_recent)
    if not sender.take():
        return Result(Counter(), [], Ended("Another process is sending profiles. Nothing was sent."))
    try:
        if not sender.has_proven(project.mark) and prove():
            sender.write_proven(project.mark)
        return _passed(profiles, _Pass(project, sender, delivery, scrub, most_deletes), is_recent=is_recent)
    except Ended as error:
        return Result(Counter(), [], error)
    finally:
        delivery.close()
        sender.release()


def _passed(profiles: Sequence[Profile], one: "_Pass", *, is_recent: bool) -> Result:
    ended = None
    try:
        for profile in profiles:
            one.run(profile, is_recent=is_recent)
    except Ended as error:
        ended = error
    counts = one.counts + one.delivery.counts if one.delivery else one.counts
    counts["unsure"] = sum(one.sender.unsure(profile.name).count() for profile in profiles)
    return Result(counts, one.notes, ended)


@dataclass(eq=False)
class _Pass:
    """A pass under the lease; its fields are as the parameters of `sync`."""

    project: Project
    sender: Sender
    delivery: Delivery | None
    scrub: Callable[[Any], Any]
    most_deletes: int
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def run(self, profile: Profile, *, is_recent: bool) -> None:
        """Send what differs, and then delete the profiles of those who may have none."""
        reader = Reader(profile, Renderer(profile, self.project, self.scrub), self.sender)
        recent = self._recent_keys(profile) if is_recent and profile.changed else None
        row_count, doomed = 0, array("q")
        for page in self._pages(profile, reader, recent):
            row_count += page.row_count
            doomed.extend(update.key for update in page.delete)
        self.counts["read"] += row_count
        is_empty = recent is None and not row_count
        if doomed and self._may_delete(profile, len(doomed), is_empty=is_empty):
            for some in _slices(doomed):
                self._work(profile, partial(reader.of, some), has_leave=True)

    def _pages(self, profile: Profile, reader: Reader, recent: Sequence[int] | None) -> Iterator[Page]:
        """Send what differs, page by page, of the whole table or of some keys; yield each page."""
        if recent is not None:
            for some in _slices(recent):
                yield self._work(profile, partial(reader.of, some))
            return
        last_key: int | None = None
        while True:
            page = self._work(profile, partial(reader.after, last_key))
            yield page
            last_key = page.last_key
            if last_key is None:
                return

    def _recent_keys(self, profile: Profile) -> Sequence[int] | None:
        """Return the keys of rows that changed lately, and of doubts; None where nothing was sent yet."""
        states = self.sender.states(profile.name)
        last = states.order_by().aggregate(last=Max("sent_at"))["last"]
        if last is None:
            return None
        changed = profile.rows().filter(**{f"{profile.changed}__gte": last - OVERLAP})
        doubted = self.sender.unsure(profile.name)
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
            if page.waiting:
                self.notes.append(f"{profile.name}: {page.row_count} rows wait: {page.waiting}.")
            return page

    def _send(self, source: str, page: Page, deletes: Sequence[Update]) -> None:
        if self.delivery is None:
            self.counts["would send"] += len(page.send)
            self.counts["would refuse"] += len(page.refuse)
            return
        if page.refuse:
            self.delivery.need(self.sender.refuse(source, page.refuse))
            self.counts["refused"] += len(page.refuse)
        self.delivery.send(source, [*page.send, *deletes])

    def _may_delete(self, profile: Profile, count: int, *, is_empty: bool) -> bool:
        known = self.sender.states(profile.name).exclude(state=State.DELETED).count()
        usual = 0 if is_empty else max(MOST_DELETES, int(MOST_PART_DELETED * known))
        if count > max(usual, self.most_deletes):
            why = "its table is empty" if is_empty else f"it has {known}"
            self.notes.append(
                f"{profile.name}: {count} people would lose their profiles ({why}). None was deleted. If "
                f"that is right, run: manage.py mixpanel_profiles sync --confirm-deletes {count}"
            )
            self.counts["withheld"] += count
            return False
        self.counts["would delete"] += 0 if self.delivery else count
        return self.delivery is not None


def _slices(keys: Sequence[int]) -> Iterator[list[int]]:
    return (list(keys[start : start + _KEYS]) for start in range(0, len(keys), _KEYS))
