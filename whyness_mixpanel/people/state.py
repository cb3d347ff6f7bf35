"""What is known of each profile at Mixpanel, and the lease of the one sender, by the database's clock.

A person is *unsure* from before a request about the person leaves until an answer says yes. No values of
profiles are stored.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import router, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from whyness_mixpanel.people.update import Refused, Update
from whyness_mixpanel.tables import PersonLease, PersonState

# Longer than the longest request, during which the lease is not renewed.
LEASE = timedelta(seconds=120)
# A request that ended without a yes may still act for this long after the latest doubt.
DOUBT = timedelta(minutes=10)


class Known(NamedTuple):
    """A row of PersonState."""

    key: int
    person: str
    digest: str = ""
    state: str = ""
    reason: str = ""
    unsure_at: datetime | None = None


State = PersonState.State
_About = Update | Refused | Known


class Sender:
    """A process that sends profiles: its lease, and what it writes down.

    Args:
        owner: names the process, at most 32 characters.
        now: returns the database's time as an expression.
    """

    def __init__(self, owner: str, *, now: Callable[[], Any] = Now) -> None:
        self._owner, self._now = owner, now
        self._alias = router.db_for_write(PersonState)

    def take(self, *, by_force: bool = False) -> bool:
        """Take the lease if it is free, or by force; return whether it is held now."""
        lease = PersonLease._base_manager.using(self._alias)  # noqa: SLF001  (Django's public API for models)
        lease.bulk_create([PersonLease(id=1, until=self._now())], ignore_conflicts=True)
        is_wrong = Q(until__gt=self._now() + LEASE)  # set by a clock that was wrong
        is_free = Q() if by_force else Q(owner=self._owner) | Q(until__lte=self._now()) | is_wrong
        return bool(lease.filter(is_free, id=1).update(owner=self._owner, until=self._now() + LEASE))

    def hold(self) -> bool:
        """Renew the lease; return False where another process has taken it."""
        return bool(self._mine().update(until=self._now() + LEASE))

    def release(self) -> None:
        """Let another process send."""
        self._mine().update(owner="", until=self._now())

    def has_proven(self, mark: str) -> bool:
        """Whether a profile that was written to the project was read back."""
        return self._mine().filter(proven=mark).exists()

    def write_proven(self, mark: str) -> None:
        """Write down that it was."""
        self._mine().update(proven=mark)

    def states(self, source: str, **which: Any) -> QuerySet[PersonState]:
        """Return the states of a profile's people in the order of their keys."""
        return self._states().filter(source=source, **which).order_by("key")

    def unsure(self, source: str) -> QuerySet[PersonState]:
        """Return the states of people who are sent once more; rows that break a rule are not."""
        return self.states(source, unsure_at__isnull=False).exclude(state=State.REFUSED)

    def about(self, people: Sequence[str]) -> list[tuple[str, Known]]:
        """Return what is known of people, each with the name of the profile."""
        rows = self._states().filter(person__in=people).values_list("source", *Known._fields)
        return [(source, Known(*known)) for source, *known in rows]

    def doubted_since(self) -> datetime:
        """Return the time from which on doubts are too young to send about the person again."""
        moment: datetime = self._states().annotate(at=self._now() - DOUBT).values_list("at", flat=True)[0]
        return moment

    def mark(self, source: str, about: Sequence[_About]) -> bool:
        """Mark people as unsure before a request leaves; return False, and mark none, without the lease."""
        return self._under_lease(
            lambda: self._write(source, about, {"unsure_at"}, lambda _: {"unsure_at": self._now()})
        )

    def settle(self, source: str, updates: Sequence[Update], refusal: str = "") -> bool:
        """Write down what Mixpanel confirmed, or refuses; return False, and write none, without the lease."""

        def fields(update: Any) -> dict[str, Any]:
            state = State.REFUSED if refusal else State.DELETED if update.is_delete else State.SENT
            digest = "" if state == State.DELETED else update.digest
            moment = {} if refusal else {"sent_at": self._now()}
            return {"digest": digest, "state": state, "reason": refusal, "unsure_at": None, **moment}

        names = {"digest", "state", "reason", "unsure_at"} | (set() if refusal else {"sent_at"})
        return self._under_lease(lambda: self._write(source, updates, names, fields))

    def refuse(self, source: str, refused: Sequence[Refused]) -> bool:
        """Write down which rows break a rule; return False, and write none, without the lease."""

        def fields(row: Any) -> dict[str, Any]:
            return {"digest": "", "state": State.REFUSED, "reason": row.reason}

        return self._under_lease(lambda: self._write(source, refused, {"digest", "state", "reason"}, fields))

    def doubt(self, source: str, about: Sequence[_About]) -> None:
        """Write down that a request about them ended without an answer; the lease does not matter."""
        self._of(source, about).update(unsure_at=self._now())

    def again(self, source: str, about: Sequence[_About]) -> None:
        """Have them sent by the next pass: a request was answered without a yes, so that it acts no more."""
        if not self._under_lease(lambda: self._of(source, about).update(unsure_at=self._now() - DOUBT)):
            self.doubt(source, about)

    def send_again(self, source: str, about: Sequence[Update]) -> bool:
        """Have the next pass send, or delete, settled people once more; return False without the lease."""

        def write() -> None:
            states = [PersonState(source=source, key=one.key, person=one.person) for one in about]
            self._states().bulk_create(states, ignore_conflicts=True)
            self._of(source, about).filter(unsure_at=None).update(unsure_at=self._now() - DOUBT)

        return self._under_lease(write)

    def _mine(self) -> QuerySet[PersonLease]:
        lease = PersonLease._base_manager.using(self._alias)  # noqa: SLF001  (as above)
        return lease.filter(id=1, owner=self._owner)

    def _states(self) -> QuerySet[PersonState]:
        return PersonState._base_manager.using(self._alias)  # noqa: SLF001  (as above)

    def _of(self, source: str, about: Sequence[_About]) -> QuerySet[PersonState]:
        return self._states().filter(source=source, key__in=[one.key for one in about])

    def _under_lease(self, write: Callable[[], object]) -> bool:
        with transaction.atomic(using=self._alias):
            if not self.hold():
                return False
            write()
        return True

    def _write(
        self,
        source: str,
        about: Iterable[_About],
        names: set[str],
        fields: Callable[[_About], dict[str, Any]],
    ) -> None:
        states = [PersonState(source=source, key=one.key, person=one.person, **fields(one)) for one in about]
        self._states().bulk_create(
            states, update_conflicts=True, unique_fields=("source", "key"), update_fields=sorted(names)
        )
