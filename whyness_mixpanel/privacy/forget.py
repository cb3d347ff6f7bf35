"""Forgetting people: nothing more is sent, what waits is deleted, and Mixpanel deletes what it has."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from whyness_events import InvalidEvent
from whyness_events.event import Event, check_event
from whyness_mixpanel import conf
from whyness_mixpanel.privacy.deletion_api import MOST_IDS, DeletionApi
from whyness_mixpanel.privacy.filters import spellings
from whyness_mixpanel.privacy.suppression import Suppression

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
            "user", "an anonymous user (see ANONYMOUS_USERS)", 'an id such as 123, or "p:45" for a prospect'
        )
    now_ms = int(timezone.now().timestamp() * 1000)
    check_event(Event(insert_id="forget", event="forget", user=user, time=now_ms), now_ms=now_ms)


def suppress(users: Sequence[str]) -> int:
    """Note that nothing may be sent about `users` any more; return how many were not noted yet."""
    return sum(Suppression.objects.get_or_create(user=user)[1] for user in users)


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
        tracking_id = api.ask([id_ for suppression in some for id_ in spellings(suppression.user)])
        for suppression in some:
            suppression.tracking_id, suppression.status, suppression.asked_at = tracking_id, "PENDING", now
            suppression.ask_count = 1 if _is_first_round(suppression, now) else suppression.ask_count + 1
            suppression.save()


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
