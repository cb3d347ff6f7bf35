"""The list of suppressed users. Import the model from `models`."""

from collections.abc import Iterable

from django.db import models
from django.utils import timezone

_CHARACTERS = 255
_MANY, _PEOPLE_PER_QUERY = 100, 2_000


class Suppression(models.Model):
    """A person about whom no event is sent, and the status of the deletion at Mixpanel.

    `user` is as in an event, `"123"` or `"p:45"`. `status` is Mixpanel's word for the deletion `tracking_id`;
    both are empty before the first request.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.CharField(max_length=_CHARACTERS, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(null=True, blank=True)
    ask_count = models.PositiveSmallIntegerField(default=0)
    tracking_id = models.CharField(max_length=255, blank=True, default="")
    status = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        """Names."""

        verbose_name = "suppressed user"
        verbose_name_plural = "suppressed users"

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


def suppressed_among(users: Iterable[str], using: str | None = None) -> set[str]:
    """Return those of `users` who are suppressed, by the list in the database `using`."""
    asked = sorted(filter(_can_be_stored, set(users)))
    listed = Suppression.objects.using(using).values_list("user", flat=True)
    if len(asked) > _MANY:
        # To read a row costs less than to ask about a person, and most lists are short.
        first = set(listed[: len(asked)])
        if len(first) < len(asked):
            return first.intersection(asked)
    suppressed: set[str] = set()
    for start in range(0, len(asked), _PEOPLE_PER_QUERY):
        suppressed.update(listed.filter(user__in=asked[start : start + _PEOPLE_PER_QUERY]))
    return suppressed


def column_of(user: object) -> str:
    """Return a user id for a column, `""` where the column cannot hold it."""
    if not isinstance(user, str) or len(user) > _CHARACTERS:
        return ""
    return user if _can_be_stored(user) else ""


def _can_be_stored(user: str) -> bool:
    """Whether a database accepts the text; PostgreSQL would refuse the whole query."""
    if user.isascii():
        return "\x00" not in user
    return "\x00" not in user and not any("\ud800" <= character <= "\udfff" for character in user)
