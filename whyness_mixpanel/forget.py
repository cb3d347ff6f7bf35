"""Forgetting people: nothing more is sent, what waits is deleted, and Mixpanel deletes what it has."""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from whyness_events import InvalidEvent
from whyness_events.event import Event, check_event
from whyness_mixpanel import conf
from whyness_mixpanel.forget_api import MOST_IDS, DeletionApi
from whyness_mixpanel.privacy import people_of, spellings
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.suppression import Suppression
from whyness_mixpanel.tables import Outbox

# What was published before the suppression may lie in the queue for 14 days, and then as long among the dead
# letters; a redrive may bring it to Mixpanel after the first deletion. So it is asked once more.
ASK_AGAIN_AFTER = timedelta(days=29)
ASK_COUNT = 2
# After these Mixpanel deletes nothing by that request.
FAILED = frozenset({"FAILURE", "REVOKED", "NOT_FOUND"})

_PEOPLE_PER_REQUEST = MOST_IDS // len(spellings("p:1"))


def check_user(user: str) -> None:
    """Raise InvalidEvent where `user` cannot be a person of an event, or is nobody."""
    if user in conf.ANONYMOUS_USERS.get() or not user:
        raise InvalidEvent(
            "user", "nobody (see ANONYMOUS_USERS)", 'an id such as 123, or "p:45" for a prospect'
        )
    now_ms = int(timezone.now().timestamp() * 1000)
    check_event(Event(insert_id="forget", event="forget", user=user, time=now_ms), now_ms=now_ms)


def suppress(users: Sequence[str]) -> int:
    """Note that nothing may be sent about `users` any more; return how many were not noted yet."""
    return sum(Suppression.objects.get_or_create(user=user)[1] for user in users)


def purge_outbox(users: Collection[str], *, dry_run: bool) -> int:
    """Delete what waits to be sent about `users`, parked or not, in every database; return how many rows."""
    count = 0
    unwanted = set(users)
    for alias in outbox.aliases():
        ids = list(_ids_about(unwanted, alias))
        count += len(ids)
        if not dry_run:
            with transaction.atomic(using=alias):
                for start in range(0, len(ids), 500):
                    rows = Outbox.objects.using(alias).filter(pk__in=ids[start : start + 500])
                    rows._raw_delete(alias)  # noqa: SLF001  (no receiver of a site is asked)
    return count


def due(now: datetime) -> list[Suppression]:
    """Return those about whom Mixpanel is to be asked: not yet, in vain, or long enough ago."""
    never = Q(ask_count=0) | Q(tracking_id="") | Q(status__in=FAILED)
    again = Q(ask_count__lt=ASK_COUNT, asked_at__lte=now - ASK_AGAIN_AFTER)
    return list(Suppression.objects.filter(never | again).order_by("pk"))


def ask(api: DeletionApi, suppressions: Sequence[Suppression], now: datetime) -> None:
    """Ask Mixpanel to delete what it has, and note that; few requests for many people.

    Raises:
        NotAsked: it refused; those asked for until then are noted.
    """
    for start in range(0, len(suppressions), _PEOPLE_PER_REQUEST):
        some = suppressions[start : start + _PEOPLE_PER_REQUEST]
        tracking_id = api.ask([id_ for each in some for id_ in spellings(each.user)])
        for each in some:
            each.tracking_id, each.status, each.asked_at = tracking_id, "PENDING", now
            each.ask_count = 1 if _is_first_round(each, now) else each.ask_count + 1
            each.save()


def refresh(api: DeletionApi) -> None:
    """Ask how far the deletions are that have not ended, and note it.

    Raises:
        NotAsked: it refused; what it said until then is noted.
    """
    going_on = Suppression.objects.exclude(tracking_id="").exclude(status__in=FAILED | {"SUCCESS"})
    for tracking_id in going_on.order_by().values_list("tracking_id", flat=True).distinct():
        status = api.status(tracking_id)
        Suppression.objects.filter(tracking_id=tracking_id).update(status=status)


def ask_again_at(suppression: Suppression) -> datetime | None:
    """Return when Mixpanel is to be asked once more, None where it need not be."""
    if suppression.asked_at is None or suppression.ask_count >= ASK_COUNT:
        return None
    return suppression.asked_at + ASK_AGAIN_AFTER


def _is_first_round(suppression: Suppression, now: datetime) -> bool:
    """Whether the queue may still hold something, so that this request cannot be the last."""
    return now < suppression.created_at + ASK_AGAIN_AFTER


def _ids_about(unwanted: set[str], alias: str) -> Iterator[int]:
    """Yield the rows about them: a prospect may stand beside a user, and a parked row only in its text."""
    unclear = Q(encoded__contains='"prospect"') | Q(state=Outbox.State.PARKED)
    rows = Outbox.objects.using(alias).filter(Q(user__in=unwanted) | unclear)
    for id_, user, encoded in rows.values_list("pk", "user", "encoded").iterator():
        if user in unwanted or _people(encoded) & unwanted:
            yield id_


def _people(encoded: str) -> set[str]:
    try:
        return people_of(json.loads(encoded))
    except (ValueError, RecursionError):  # a parked row may hold anything
        return set()
