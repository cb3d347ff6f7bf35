"""The rule of order in virtual time: two senders of the real code, rows that change, a late Mixpanel.

Senders are frozen and killed between any two of their steps. When all is quiet, Mixpanel must equal the
table.
"""

import json
import math
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Value

from example.whyness_django.models import AuthUser
from tests.simulation.scheduler import Scheduler
from tests.unit.django_app.people.fake_engage import PROJECT, FakeMixpanel
from whyness_mixpanel.models import PersonState, Suppression
from whyness_mixpanel.people import Profile
from whyness_mixpanel.people.delivery import Delivery
from whyness_mixpanel.people.engage import Reply
from whyness_mixpanel.people.state import Sender
from whyness_mixpanel.people.sync import sync
from whyness_mixpanel.privacy import filters

START_S = 1_790_000_000.0
TROUBLE_S, QUIET_S = 1_800.0, 1_800.0
PEOPLE = range(2, 5)
# A request may act for so long after it left; a sender freezes for so long at most.
LATEST_S, FROZEN_S, TIMEOUT_S = 500.0, 300.0, 30.0
PROFILE = Profile(
    name="user", model="whyness_django.AuthUser", build=lambda row: {"$name": row.name}, personal=("$name",)
)
_STEPS = frozenset({"take", "hold", "release", "states", "mark", "settle", "refuse", "doubt", "again"})


class Killed(BaseException):
    """The process is gone: no line of it runs any more, nor is anything caught."""


class World:
    """The table, Mixpanel and two senders.

    Args:
        seed: of all that happens.
        senders: the class of the senders.
    """

    def __init__(self, seed: int, senders: type[Sender] = Sender) -> None:
        self.rng = random.Random(seed)  # noqa: S311  (repeatable)
        self.scheduler = Scheduler(START_S, self.rng)
        self.mixpanel = FakeMixpanel()
        self.stale: list[str] = []
        self._senders = senders
        self._names = 0
        self._ended: dict[str, int] = {}

    def run(self) -> None:
        """Let there be trouble, and then quiet."""
        for table in (AuthUser, PersonState, Suppression):
            table.objects.all().delete()
        for key in PEOPLE:
            self._write(key)
        for _ in range(2):
            self.scheduler.start(self._site)
            self.scheduler.start(self._process)
        self.scheduler.run(math.inf)

    def faults(self) -> list[str]:
        """Return what is wrong with Mixpanel's profiles, or with what is known of them."""
        suppressed = set(Suppression.objects.values_list("user", flat=True))
        rows = {str(key): name for key, name in AuthUser.objects.values_list("pk", "name")}
        wanted = {
            person: {"$name": name, "person": person, "kind": "user"}
            for person, name in rows.items()
            if person not in suppressed
        }
        names = sorted({*wanted, *self.mixpanel.profiles})
        found = [name for name in names if wanted.get(name) != self.mixpanel.profiles.get(name)]
        return [
            *found,
            *self.stale,
            *PersonState.objects.exclude(unsure_at=None).values_list("person", flat=True),
        ]

    def leave(self, body: bytes) -> list[str]:
        """Note whom a request carries as read before the last one about the person ended; return all."""
        updates = json.loads(body)
        for update in updates:
            person = update["$distinct_id"]
            if "$set" in update and _number(update["$set"]["$name"]) < self._ended.get(person, 0):
                self.stale.append(person)
        return [update["$distinct_id"] for update in updates]

    def end(self, people: Iterable[str]) -> None:
        """Note the rows of people as they are when a request about them ends."""
        rows = AuthUser.objects.filter(pk__in=people).values_list("pk", "name")
        self._ended |= {str(key): _number(name) for key, name in rows}

    @property
    def is_trouble(self) -> bool:
        """Whether things still happen."""
        return self.scheduler.now_s < START_S + TROUBLE_S

    @property
    def is_over(self) -> bool:
        """Whether the processes are to end."""
        return self.scheduler.now_s > START_S + TROUBLE_S + QUIET_S

    def now(self) -> Value:
        """Return the database's time."""
        return Value(datetime.fromtimestamp(self.scheduler.now_s, UTC))

    def _site(self) -> None:
        """Change rows, and who may be sent about."""
        while self.is_trouble:
            self.scheduler.pause(self.rng.expovariate(1 / 60))
            key = self.rng.choice(PEOPLE)
            change = self.rng.random()
            if change < 0.1 and key != PEOPLE[0]:  # an empty table deletes nobody
                AuthUser.objects.filter(pk=key).delete()
            elif change < 0.2:
                Suppression.objects.get_or_create(user=str(key))
            elif change < 0.4:
                Suppression.objects.filter(user=str(key)).delete()
            else:
                self._write(key)

    def _write(self, key: int) -> None:
        self._names += 1
        AuthUser.objects.update_or_create(pk=key, defaults={"uid": f"u{key}", "name": f"Name {self._names}"})

    def _process(self) -> None:
        """Make passes; a new process follows one that was killed."""
        while not self.is_over:
            process = _Process(self)
            with suppress(Killed):
                process.run(self._senders)
            self.scheduler.pause(self.rng.uniform(0, 120))


class _Process:
    def __init__(self, world: World) -> None:
        self._world, self._rng, self._scheduler = world, world.rng, world.scheduler
        self._is_killed = False

    def run(self, senders: type[Sender]) -> None:
        owner = f"{self._rng.getrandbits(64):x}"
        while not self._world.is_over:
            sender = _stepping(senders, self.step)(owner, now=self._world.now)
            delivery = Delivery(
                project=PROJECT,
                sender=sender,
                post=self._post,
                wait=self._scheduler.pause,
                monotonic=lambda: self._scheduler.now_s,
            )
            sync([PROFILE], project=PROJECT, sender=sender, delivery=delivery, scrub=filters.scrubber().scrub)
            self._scheduler.pause(self._rng.uniform(20, 120) if self._world.is_trouble else 300)

    def step(self) -> None:
        """Let others run; perhaps freeze; perhaps die, and then every further step dies too."""
        if self._is_killed:
            raise Killed
        is_odd = self._world.is_trouble and self._rng.random() < 0.02
        self._scheduler.pause(self._rng.uniform(0, FROZEN_S) if is_odd else self._rng.uniform(0, 3))
        if self._world.is_trouble and self._rng.random() < 0.01:
            self._is_killed = True
            raise Killed

    def _post(self, body: bytes) -> Reply:
        if self._is_killed:
            raise Killed
        people = self._world.leave(body)
        replies: list[Reply] = []
        if not self._world.is_trouble or self._rng.random() < 0.6:
            takes_s = self._rng.uniform(0.05, 5)
            self._at(takes_s, lambda: replies.append(self._world.mixpanel(body)))
            self._scheduler.pause(takes_s + 0.01)
        else:
            if self._rng.random() < 0.8:  # it acts, only nobody hears of it
                self._at(self._rng.uniform(0, LATEST_S), lambda: self._world.mixpanel(body))
            self._scheduler.pause(self._rng.choice((0.1, TIMEOUT_S)))
        self._world.end(people)
        self.step()
        return replies[0] if replies else Reply(self._rng.choice((0, 429, 503)))

    def _at(self, after_s: float, act: Callable[[], Any]) -> None:
        self._scheduler.at(self._scheduler.now_s + after_s, act)


def _number(name: str) -> int:
    return int(name.rsplit(maxsplit=1)[-1])


def _stepping(senders: type[Sender], step: Callable[[], None]) -> type[Sender]:
    """Return a class whose every step with the database is one at which a process freezes or dies."""

    def before(name: str) -> Callable[..., Any]:
        method = getattr(senders, name)

        def stepped(self: Sender, *given: Any, **named: Any) -> Any:
            if not connection.in_atomic_block:  # a transaction is one step
                step()
            return method(self, *given, **named)

        return stepped

    return type("Stepping", (senders,), {name: before(name) for name in _STEPS})
