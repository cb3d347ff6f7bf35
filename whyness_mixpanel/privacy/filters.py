"""Finds events that must not be sent (suppressed or opted-out people), and provides the scrubber."""

import functools
import json
from collections.abc import Sequence

from django.db import Error, connections, router, transaction

from whyness_mixpanel import conf
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.privacy.scrubber import Scrubber
from whyness_mixpanel.privacy.suppression import Suppression, suppressed_among

_PROSPECT = "p:"


class CannotFilter(Exception):
    """It is unknown about whom events may be sent, so none may be. The text shows no value."""


class OptOutFailed(CannotFilter):
    """The function OPT_OUT raised, or did not return users: the events are parked."""


class SuppressionUnreadable(CannotFilter):
    """The list of suppressed users cannot be read: the events wait."""


def scrubber() -> Scrubber:
    """Return the scrubber for `data` and `properties`.

    Raises:
        SettingError: SCRUB_NAMES or SCRUB_PATTERNS is invalid. Nothing else is raised.
    """
    return _scrubber(conf.SCRUB_NAMES.get(), conf.SCRUB_PATTERNS.get())


def filter_suppressed(encoded: Sequence[str]) -> Sequence[str]:
    """Return those of the encoded events that may be sent, in order.

    At most one query per 2,000 people and one more, and one call of OPT_OUT.

    Raises:
        OptOutFailed: OPT_OUT raised; park the events with this text as the reason.
        SuppressionUnreadable: the database failed; try again later.
        SettingError: OPT_OUT is invalid.
    """
    people = [people_of(json.loads(event)) for event in encoded]
    unwanted = unwanted_among(set().union(*people))
    return [event for event, some in zip(encoded, people, strict=True) if not some & unwanted]


def unwanted_among(people: set[str]) -> set[str]:
    """Return those of `people` about whom no event may be sent; raises like `filter_suppressed`.

    OPT_OUT is called in this thread: the relay's or a command's, without a request.
    """
    return _suppressed(people) | _opted_out(people) if people else set()


def people_of(raw: object) -> set[str]:
    """Return the people of an event (decoded JSON of any kind), each in the format of `user`."""
    if not isinstance(raw, dict):
        return set()
    user, prospect = raw.get("user"), raw.get("prospect")
    about = {str(user)} if isinstance(user, str | int) else set()
    if isinstance(prospect, str | int) and prospect != "":
        about.add(f"{_PROSPECT}{prospect}")
    return about - {""}


def spellings(user: str) -> list[str]:
    """Return every `distinct_id` and device id of `user` at Mixpanel, in both identity modes."""
    if not user.startswith(_PROSPECT):
        return [user]
    prospect = user.removeprefix(_PROSPECT)
    return [user, f"$device:p-{prospect}", f"p-{prospect}"]


@functools.lru_cache(maxsize=4)  # building one costs more than using it for an event
def _scrubber(names: tuple[str, ...], patterns: tuple[str, ...]) -> Scrubber:
    return Scrubber(names, patterns)


def _suppressed(people: set[str]) -> set[str]:
    alias = router.db_for_write(Suppression)  # a replica may be behind
    try:
        if transaction.get_autocommit(using=alias):  # there is no transaction to protect
            return suppressed_among(people, alias)
        with transaction.atomic(using=alias):  # a savepoint: a missing table must not break the transaction
            return suppressed_among(people, alias)
    except Error as error:
        if _is_missing(Suppression._meta.db_table, alias):  # noqa: SLF001  (Django's public API for models)
            return set()  # a list that is not migrated yet is empty
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
