"""Forgets people: suppresses them, and requests the deletion of their data at Mixpanel."""

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

# Events published before the suppression may stay in the queue for 14 days, and as long in the dead-letter
# queue; a redrive may send them after the first deletion. So a second one is requested.
ASK_AGAIN_AFTER = timedelta(days=29)
ASK_COUNT = 2
# A request with one of these statuses deletes nothing.
FAILED = frozenset({"FAILURE", "REVOKED", "NOT_FOUND"})

_PEOPLE_PER_REQUEST = MOST_IDS // len(spellings("p:1"))


def check_user(user: str) -> None:
    """Raise InvalidEvent if `user` is not a valid user id, or is an anonymous user."""
    if user in conf.ANONYMOUS_USERS.get() or not user:
        raise InvalidEvent(
            "user", "an anonymous user (see ANONYMOUS_USERS)", 'an id such as 123, or "p:45" for a prospect'
        )
    now_ms = int(timezone.now().timestamp() * 1000)
    check_event(Event(insert_id="forget", event="forget", user=user, time=now_ms), now_ms=now_ms)


def suppress(users: Sequence[str]) -> int:
    """Suppress `users`; return how many were not suppressed before."""
    return sum(Suppression.objects.get_or_create(user=user)[1] for user in users)


def due(now: datetime) -> list[Suppression]:
    """Return those whose deletion must be requested now, for the first time or again."""
    never = Q(ask_count=0) | Q(tracking_id="") | Q(status__in=FAILED)
    again = Q(ask_count__lt=ASK_COUNT, asked_at__lte=now - ASK_AGAIN_AFTER)
    return list(Suppression.objects.filter(never | again).order_by("pk"))


def ask(api: DeletionApi, suppressions: Sequence[Suppression], now: datetime) -> None:
    """Request deletions at Mixpanel, for many people at once, and save their tracking ids.

    Raises:
        NotAsked: Mixpanel refused; the requests made until then are saved.
    """
    for start in range(0, len(suppressions), _PEOPLE_PER_REQUEST):
        some = suppressions[start : start + _PEOPLE_PER_REQUEST]
        tracking_id = api.ask([id_ for suppression in some for id_ in spellings(suppression.user)])
        for suppression in some:
            suppression.tracking_id, suppression.status, suppression.asked_at = tracking_id, "PENDING", now
            suppression.ask_count = 1 if _is_first_round(suppression, now) else suppression.ask_count + 1
            suppression.save()


def refresh(api: DeletionApi) -> None:
    """Read and save the status of deletions that have not ended.

    Raises:
        NotAsked: Mixpanel refused; the statuses read until then are saved.
    """
    going_on = Suppression.objects.exclude(tracking_id="").exclude(status__in=FAILED | {"SUCCESS"})
    for tracking_id in going_on.order_by().values_list("tracking_id", flat=True).distinct():
        status = api.status(tracking_id)
        Suppression.objects.filter(tracking_id=tracking_id).update(status=status)


def ask_again_at(suppression: Suppression) -> datetime | None:
    """Return when the next deletion must be requested, None if no more is needed."""
    if suppression.asked_at is None or suppression.ask_count >= ASK_COUNT:
        return None
    return suppression.asked_at + ASK_AGAIN_AFTER


def _is_first_round(suppression: Suppression, now: datetime) -> bool:
    """Whether the queues may still hold events, so that this request cannot be the last."""
    return now < suppression.created_at + ASK_AGAIN_AFTER
