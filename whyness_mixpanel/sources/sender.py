"""Sends the messages of a backfill: no faster than asked, and again where the queue fails."""

from collections.abc import Callable, Sequence

from whyness_mixpanel import conf, parked
from whyness_mixpanel.backends import BACKFILL_GROUP, Publish
from whyness_mixpanel.publishing import publisher
from whyness_mixpanel.publishing.messages import Packed

PAUSES_S = (1, 2, 4, 8, 16, 32)


class NotPublished(Exception):  # noqa: N818  (it is the messages that are not)
    """The queue would not take a call, however often it was asked; the text is free of what was sent."""


class Sender:
    """Sends calls one after the other.

    Args:
        publish: the backend's.
        rate: events a second on average; None for as many as go.
        monotonic: a clock, in seconds.
        sleep: waits so many seconds.
        on_fault: told a fault and the seconds until the next attempt.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        rate: float | None,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        on_fault: Callable[[str, int], None],
    ) -> None:
        self._publish, self._rate = publish, rate
        self._monotonic, self._sleep, self._on_fault = monotonic, sleep, on_fault
        self._free_at_s = monotonic()

    def __call__(self, messages: Sequence[Packed]) -> None:
        """Send `messages` in one call, those that are refused again after a pause.

        Raises:
            NotPublished: some are refused still, after about a minute.
            SettingError: a setting is not allowed, so that nothing can be sent.
        """
        self._pace(sum(message.event_count for message in messages))
        for pause_s in PAUSES_S:
            messages, fault = self._attempt(messages)
            if not messages:
                return
            self._on_fault(fault, pause_s)
            self._sleep(pause_s)
        messages, fault = self._attempt(messages)
        if messages:
            raise NotPublished(fault)

    def _attempt(self, messages: Sequence[Packed]) -> tuple[Sequence[Packed], str]:
        bodies = [message.body for message in messages]
        try:
            answer = self._publish(bodies, group=BACKFILL_GROUP)
        except conf.SettingError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever ails the queue: it is asked again, and then named)
            return messages, publisher.name_fault(error)
        if not parked.keep(bodies, answer.dead):
            return messages, "the outbox does not take what will never be delivered"
        refused = [message for index, message in enumerate(messages) if index not in answer.confirmed]
        return refused, answer.refusal or "incomplete answer"

    def _pace(self, event_count: int) -> None:
        if self._rate is None:
            return
        now_s = self._monotonic()
        if self._free_at_s > now_s:
            self._sleep(self._free_at_s - now_s)
        self._free_at_s = max(now_s, self._free_at_s) + event_count / self._rate
