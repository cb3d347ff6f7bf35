"""Sends the events of a backfill at a limited rate, and retries failed calls."""

from collections.abc import Callable, Mapping, Sequence

from whyness_mixpanel.backends import BACKFILL_GROUP, Publish
from whyness_mixpanel.publishing import parked, publisher

PAUSES_S = (1, 2, 4, 8, 16, 32)
# How many parts in a row may be refused: enough to reach a single event by halving.
_MOST_VAIN = 24
# How often an event must be refused alone, while a control event is accepted each time.
_TRIALS = 3
_EARLY = "the time of some events is in the future"


class NotPublished(Exception):
    """The queue refused a call at every attempt; the text is free of what was sent."""


class Sender:
    """Sends calls one after the other.

    Args:
        publish: the backend's.
        identity: the identity mode of the events.
        rate: average number of events a second; None for no limit.
        monotonic: returns monotonic seconds.
        sleep: waits for a number of seconds.
        on_fault: called with a fault and the seconds until the next attempt.
    """

    def __init__(  # noqa: PLR0913  (what it works with, each by name)
        self,
        publish: Publish,
        *,
        identity: str,
        rate: float | None,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        on_fault: Callable[[str, int], None],
    ) -> None:
        self._publish, self._identity, self._rate = publish, identity, rate
        self._monotonic, self._sleep, self._on_fault = monotonic, sleep, on_fault
        self._free_at_s = monotonic()
        # An event that was accepted, whose duplicates count once; "" while there is none.
        self._control = ""

    def __call__(self, encoded: Sequence[str]) -> Mapping[int, str]:
        """Send events; park those that the queue always refuses, and return their reasons by index.

        Raises:
            NotPublished: some are still refused after about a minute, and the events are not the cause.
            SettingError: a setting is invalid, so nothing can be sent.
        """
        self._pace(len(encoded))
        left, refused = dict(enumerate(encoded)), dict[int, str]()
        for pause_s in PAUSES_S:
            done = self._attempt(left, refused)
            if not left:
                return refused
            self._on_fault(done.fault, pause_s)
            self._sleep(pause_s)
        done = self._attempt(left, refused)
        if left:
            if self._control or done.answered is publisher.Answered.NOTHING:
                self._check_control(done.fault)
            self._part(left, refused)
        return refused

    def _attempt(self, events: dict[int, str], refused: dict[int, str]) -> publisher.Published:
        """Send `events`, park those that will never be delivered, and remove both from `events`."""
        indexes = list(events)
        done = publisher.attempt(
            list(events.values()), identity=self._identity, group=BACKFILL_GROUP, publish=self._publish
        )
        dead = {indexes[place]: why for place, why in done.dead.items()}
        self._park([(events[index], why) for index, why in dead.items()])
        safe = [index for index, is_safe in zip(indexes, done.confirmed, strict=True) if is_safe]
        if safe:
            self._control = events[safe[0]]
        refused |= dead
        for index in (*safe, *dead):
            del events[index]
        return done if done.fault else done._replace(fault=_EARLY)

    def _part(self, events: dict[int, str], refused: dict[int, str]) -> None:
        """Send events that were refused together in ever smaller parts; park those refused alone."""
        parts, alone, vain_count = [events], list[dict[int, str]](), 0
        while parts:
            part = parts.pop()
            before = len(part)
            done = self._attempt(part, refused)
            vain_count = vain_count + 1 if len(part) == before else 0
            if vain_count > _MOST_VAIN:
                self._check_control(done.fault)
                vain_count = 0
            if len(part) > 1:
                parts += _halves(part)
            elif part:
                alone.append(part)
        for part in alone:
            self._try_alone(part, refused)

    def _try_alone(self, event: dict[int, str], refused: dict[int, str]) -> None:
        """Park an event that is refused each time while the control event is accepted each time."""
        fault = ""
        for _ in range(_TRIALS):
            fault = self._attempt(event, refused).fault
            if not event:
                return
            self._check_control(fault)
        [(index, encoded)] = event.items()
        refused[index] = f"the queue refuses it, and accepts others: {fault}"
        self._park([(encoded, refused[index])])

    def _park(self, events: Sequence[tuple[str, str]]) -> None:
        if not parked.keep(events, self._identity):
            raise NotPublished("events that the queue always refuses could not be parked in the outbox")

    def _check_control(self, fault: str) -> None:
        """Raise NotPublished unless the control event is accepted: otherwise no event is to blame."""
        control = [self._control] if self._control else []
        done = publisher.attempt(
            control, identity=self._identity, group=BACKFILL_GROUP, publish=self._publish
        )
        if done.confirmed != [True]:
            raise NotPublished(fault)

    def _pace(self, event_count: int) -> None:
        if self._rate is None:
            return
        now_s = self._monotonic()
        if self._free_at_s > now_s:
            self._sleep(self._free_at_s - now_s)
        self._free_at_s = max(now_s, self._free_at_s) + event_count / self._rate


def _halves(part: dict[int, str]) -> list[dict[int, str]]:
    items = list(part.items())
    middle = len(items) // 2
    return [dict(items[middle:]), dict(items[:middle])]
