"""Rows and states side by side in the order of the keys: whom a request must be about. `decide` is pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from django.db import Error

from whyness_mixpanel import conf
from whyness_mixpanel.faults import is_of_signal, type_name
from whyness_mixpanel.people.profile import Profile
from whyness_mixpanel.people.state import Known, Sender, State
from whyness_mixpanel.people.update import DELETED_DIGEST, Refused, Renderer, Update
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources import backfill

PAGE_ROWS = 2_000


class Action(Enum):
    """What must be done about a person."""

    NOTHING = auto()
    WAIT = auto()  # a request may still act
    SEND = auto()
    DELETE = auto()
    REFUSE = auto()  # the row breaks a rule


class Page(NamedTuple):
    """The people of one reading whom something must be done about.

    Args:
        last_key: after it the next page begins; None for the last page.
        row_count: rows read.
        send: updates.
        delete: updates that remove profiles.
        refuse: rows that break a rule.
        waiting: why the whole page waits, free of values.
    """

    last_key: int | None
    row_count: int
    send: list[Update]
    delete: list[Update]
    refuse: list[Refused]
    waiting: str = ""


def decide(wanted: Update | Refused | None, known: Known | None, doubted_since: datetime | None) -> Action:
    """Return what must be done about a person.

    Args:
        wanted: what the row is; None where the person may not have a profile.
        known: the state; None where nothing was sent yet.
        doubted_since: from this time on doubts are too young; needed where the state is unsure.
    """
    is_unsure = known is not None and known.unsure_at is not None
    if isinstance(wanted, Refused):
        is_told = known is not None and (known.state, known.reason) == (State.REFUSED, wanted.reason)
        return Action.NOTHING if is_told else Action.REFUSE
    if known is None:
        return Action.SEND if wanted else Action.NOTHING
    if is_unsure:
        if known.unsure_at > doubted_since:  # type: ignore[operator]  # both are known
            return Action.WAIT
        return Action.SEND if wanted else Action.DELETE
    if wanted:
        is_same = known.state != State.DELETED and known.digest == wanted.digest
        return Action.NOTHING if is_same else Action.SEND
    is_done = known.state == State.DELETED or known.digest == DELETED_DIGEST
    return Action.NOTHING if is_done else Action.DELETE


class Reader:
    """Reads a profile's rows and states, a page at a time; a page is read when it is asked for.

    Args:
        profile: whose rows.
        renderer: renders them.
        sender: whose states.
    """

    def __init__(self, profile: Profile, renderer: Renderer, sender: Sender) -> None:
        self._profile, self._renderer, self._sender = profile, renderer, sender

    def after(self, key: int | None) -> Page:
        """Return the page after a key; None is before all keys."""
        beyond = {} if key is None else {"pk__gt": key}
        rows = self._rows(beyond, PAGE_ROWS)
        which = {} if key is None else {"key__gt": key}
        last_key = max(rows) if len(rows) == PAGE_ROWS else None
        which |= {} if last_key is None else {"key__lte": last_key}
        # States of people who are settled as deleted are not read: they are as good as none.
        known = self._known(which, PAGE_ROWS)
        if len(known) == PAGE_ROWS:  # there may be more before the last row
            last_key = max(known)
            rows = {key: row for key, row in rows.items() if key <= last_key}
        return self._page(rows, known, last_key)

    def of(self, keys: Sequence[int]) -> Page:
        """Return a page of the rows and states with these keys, at most PAGE_ROWS."""
        rows = self._rows({"pk__in": keys}, len(keys))
        return self._page(rows, self._known({"key__in": keys}, len(keys)), None)

    def wanted(self, keys: Sequence[int]) -> dict[int, Update | Refused]:
        """Return what the rows with these keys, at most PAGE_ROWS, are; nothing of who may have no profile.

        Raises:
            CannotFilter: it is unknown who may be sent about.
        """
        rows = self._rows({"pk__in": keys}, len(keys))
        unwanted = self._unwanted(rows)
        return {key: self._render(key, row) for key, row in rows.items() if key not in unwanted}

    def _rows(self, which: Mapping[str, Any], most: int) -> dict[int, Any]:
        some = self._profile.rows().filter(**which)
        try:
            return {row.pk: row for row in some[:most]}
        except Exception as error:  # one of them is damaged, or the database fails
            if is_of_signal(error):
                raise
            keys = list(some.values_list("pk", flat=True)[:most])
            alone = {key: backfill.read_alone(self._profile, key) for key in keys}
            return {key: row for key, row in alone.items() if row is not None}

    def _known(self, which: Mapping[str, Any], most: int) -> dict[int, Known]:
        states = self._sender.states(self._profile.name, **which)
        unsettled = states.exclude(state=State.DELETED, unsure_at__isnull=True)
        return {row[0]: Known(*row) for row in unsettled.values_list(*Known._fields)[:most]}

    def _page(self, rows: Mapping[int, Any], known: Mapping[int, Known], last_key: int | None) -> Page:
        page = Page(last_key, len(rows), [], [], [])
        try:
            unwanted = self._unwanted(rows)
        except filters.CannotFilter as error:
            cause = error.__cause__ or error
            return page._replace(waiting=f"who may not be sent about is unknown ({type_name(cause)})")
        is_unsure = any(state.unsure_at is not None for state in known.values())
        since = self._sender.doubted_since() if is_unsure else None
        for key in sorted({*rows, *known}):
            wanted = None if key in unwanted or key not in rows else self._render(key, rows[key])
            action = decide(wanted, known.get(key), since)
            if action is Action.DELETE:
                page.delete.append(Update(key, self._profile.person(key)))
            elif isinstance(wanted, Update) and action is Action.SEND:
                page.send.append(wanted)
            elif isinstance(wanted, Refused) and action is Action.REFUSE:
                page.refuse.append(wanted)
        return page

    def _render(self, key: int, row: Any) -> Update | Refused:
        try:
            return self._renderer.render(key, row)
        except Error as error:
            backfill.check_database(self._profile, key)
            return Refused(key, self._profile.person(key), f"build: found {type_name(error)}")

    def _unwanted(self, keys: Iterable[int]) -> set[int]:
        """Return the keys of people who may not have a profile."""
        key_of = {self._profile.person(key): key for key in keys}
        unwanted = filters.unwanted_among(set(key_of)) | conf.ANONYMOUS_USERS.get()
        return {key_of[person] for person in unwanted & key_of.keys()}
