"""What may not leave the process: secrets in events, and events about people who do not want it."""

import functools
import json
from collections.abc import Sequence
from typing import Any

from django.db import Error, connections, router, transaction

from whyness_mixpanel import conf
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.privacy.scrubber import Scrubber
from whyness_mixpanel.privacy.suppression import Suppression, suppressed_among

_PROSPECT = "p:"


class CannotFilter(Exception):
    """Nobody can tell about whom events may be sent, so that none of them may be. The text shows no value."""


class OptOutFailed(CannotFilter):
    """The function OPT_OUT raised, or returned no users: the events are parked."""


class SuppressionUnreadable(CannotFilter):
    """The database does not say who is suppressed: the events wait."""


class Suppressed(Exception):
    """Nothing may be sent about the person any more."""


def scrubber() -> Scrubber:
    """Return what replaces the secrets in `data` and `properties`.

    Raises:
        SettingError: SCRUB_NAMES or SCRUB_PATTERNS is not what is allowed. Nothing else.
    """
    return _scrubber(conf.SCRUB_NAMES.get(), conf.SCRUB_PATTERNS.get())


def filter_suppressed(encoded: Sequence[str]) -> Sequence[str]:
    """Return those of the encoded events that may be sent, in order.

    Asks the database once per 500 people, and OPT_OUT once.

    Raises:
        OptOutFailed: it raised; park the events, its text is the reason.
        SuppressionUnreadable: the database could not be asked; try again later.
        SettingError: OPT_OUT is not what is allowed.
    """
    people = [people_of(json.loads(event)) for event in encoded]
    unwanted = unwanted_among(set().union(*people))
    return [event for event, some in zip(encoded, people, strict=True) if not some & unwanted]


def unwanted_among(people: set[str]) -> set[str]:
    """Return those of `people` about whom nothing may be sent; raises as `filter_suppressed`.

    OPT_OUT is asked in this thread: the relay's or a drain's, where there is no request.
    """
    return _suppressed(people) | _opted_out(people) if people else set()


def refuse_suppressed(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the event as it is, for `whyness_ops.Redrive(edit=…)`: its letter stays where this raises.

    Raises:
        Suppressed: nothing may be sent about its person any more.
        CannotFilter: nobody can tell.
    """
    if not filter_suppressed([json.dumps(raw)]):
        raise Suppressed
    return raw


def people_of(raw: object) -> set[str]:
    """Return whom an event (decoded JSON of any kind) is about, each as `user` names them."""
    if not isinstance(raw, dict):
        return set()
    user, prospect = raw.get("user"), raw.get("prospect")
    about = {str(user)} if isinstance(user, str | int) else set()
    if isinstance(prospect, str | int) and prospect != "":
        about.add(f"{_PROSPECT}{prospect}")
    return about - {""}


def spellings(user: str) -> list[str]:
    """Return every `distinct_id` and device under which Mixpanel may know `user`, in either identity mode."""
    if not user.startswith(_PROSPECT):
        return [user]
    prospect = user.removeprefix(_PROSPECT)
    return [user, f"$device:p-{prospect}", f"p-{prospect}"]


@functools.lru_cache(maxsize=4)  # built anew it would cost each event more than its use
def _scrubber(names: tuple[str, ...], patterns: tuple[str, ...]) -> Scrubber:
    return Scrubber(names, patterns)


def _suppressed(people: set[str]) -> set[str]:
    alias = router.db_for_write(Suppression)  # a replica may not know yet
    try:
        if transaction.get_autocommit(using=alias):  # no transaction to break: none is begun only to read
            return suppressed_among(people, alias)
        with transaction.atomic(using=alias):  # a savepoint: a missing table must not break the transaction
            return suppressed_among(people, alias)
    except Error as error:
        if _is_missing(Suppression._meta.db_table, alias):  # noqa: SLF001  (Django's public API for models)
            return set()  # nobody can be on a list that is not migrated yet
        raise SuppressionUnreadable(
            f"The list of suppressed users cannot be read ({type(error).__name__}). Is the app migrated?"
        ) from error


def _is_missing(table: str, alias: str) -> bool:
    try:
        return table not in connections[alias].introspection.table_names()
    except Error:
        return False


def _opted_out(people: set[str]) -> set[str]:
    function = conf.OPT_OUT.get()
    if function is None:
        return set()
    try:
        return {str(user) for user in function(frozenset(people))}
    except Exception as error:  # the site's own function can raise anything
        if is_of_signal(error):
            raise
        raise OptOutFailed(
            f"The function OPT_OUT raised {type(error).__name__}: fix it, then release the event."
        ) from error
