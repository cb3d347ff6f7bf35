"""Packs encoded events and hands them to the backend; counts what comes of it. One thread, no waiting."""

import logging
import re
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from whyness_mixpanel import backends, conf, counters, signals
from whyness_mixpanel.publishing import messages

logger = logging.getLogger("whyness_mixpanel")

_SAFE_CODE = re.compile(r"[A-Za-z0-9.]{1,100}").fullmatch


class Published(NamedTuple):
    """What became of events, in the order in which they were given.

    Args:
        confirmed: for each whether it is delivered, or safe in the queue.
        dead: why others never will be, by their indexes: whoever has these events must put them aside.
        fault: why the rest was not taken, free of anything that was sent.
    """

    confirmed: list[bool]
    dead: Mapping[int, str] = MappingProxyType({})
    fault: str = ""


def publish(encoded: Sequence[str]) -> bool:
    """Publish events that `Event.json()` made, now; True when the queue confirmed each. Raises nothing."""
    done = publish_each(encoded)
    if done.fault:
        logger.warning("Publishing fails: %s.", done.fault)
    return all(done.confirmed)


def publish_each(
    encoded: Sequence[str],
    *,
    identity: str | None = None,
    group: str = backends.LIVE_GROUP,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Published:
    """Publish events now; return what became of each.

    Args:
        encoded: what `Event.json()` made.
        identity: the mode they travel in; None is the setting's.
        group: of the queue.
        is_wanted: asked before each call whether to make it.
    """
    if not encoded:
        return Published([])
    attempt = _Attempt(encoded, group, is_wanted)
    fault = ""
    try:
        attempt.make(backends.get_publish(conf.BACKEND.get()), identity or conf.IDENTITY.get())
    except Exception as error:
        if is_of_signal(error):
            raise
        fault = name_fault(error)
    told = attempt.told
    confirmed = [each is True for each in told] + [False] * (len(encoded) - len(told))
    dead = {index: each for index, each in enumerate(told) if isinstance(each, str)}
    failed = confirmed.count(False) - len(dead)
    fault = (fault or attempt.refusal or "incomplete answer") if failed else ""
    _count(published=sum(confirmed), failed=failed, fault=fault, dead=dead)
    return Published(confirmed, dead, fault)


class _Attempt:
    """One publishing, and what is known of its events so far."""

    def __init__(self, encoded: Sequence[str], group: str, is_wanted: Callable[[], bool]) -> None:
        self._encoded, self._group, self._is_wanted = encoded, group, is_wanted
        # Of each event, in order: whether it is confirmed, or why it is dead.
        self.told: list[bool | str] = []
        self.refusal = ""

    def make(self, publish: backends.Publish, identity: str) -> None:
        """Send all events, one call after the other, while it is wanted."""
        self._send(messages.pack(self._encoded, identity=identity), publish, identity)

    def _send(self, packed: Sequence[messages.Packed], publish: backends.Publish, identity: str) -> None:
        """Send the messages of the next events."""
        for call in messages.calls(packed):
            if not self._is_wanted():
                self.refusal = self.refusal or "given up in time"
                return
            bodies = [message.body for message in call]
            is_live = self._group == backends.LIVE_GROUP
            answer = publish(bodies) if is_live else publish(bodies, group=self._group)
            if not answer.confirmed <= set(range(len(call))):
                raise RuntimeError  # it speaks of messages that were not sent: nothing in it can be trusted
            self.refusal = self.refusal or _safe_code(answer.refusal)
            for index, message in enumerate(call):
                end = len(self.told) + message.event_count
                if index in answer.refused and message.event_count > 1:
                    self._send(self._halves(message, identity), publish, identity)
                else:
                    self.told += _each(answer, index, message.event_count)
                if len(self.told) < end:
                    return  # nobody waits any more

    def _halves(self, message: messages.Packed, identity: str) -> list[messages.Packed]:
        """Return the next message in two: one event that the queue never takes must not hold up others."""
        begin, half = len(self.told), message.event_count // 2
        middle, end = begin + half, begin + message.event_count
        parts = self._encoded[begin:middle], self._encoded[middle:end]
        return [packed for part in parts for packed in messages.pack(part, identity=identity)]


def _each(answer: backends.Answer, index: int, event_count: int) -> list[bool | str]:
    """Return what an answer says of each event of a message."""
    if why := answer.refused.get(index):
        return [why] * event_count
    return [answer.dead.get((index, place), index in answer.confirmed) for place in range(event_count)]


def _count(*, published: int, failed: int, fault: str, dead: Mapping[int, str]) -> None:
    counters.add("published", published)
    counters.add("failed", failed)
    counters.add("refused", len(dead))
    for reason, count in Counter(dead.values()).items():
        logger.warning("%d events will never be delivered: %s", count, reason)
    if published:
        signals.event_published.send_robust(sender=None, count=published)
    if failed:
        signals.publish_failed.send_robust(sender=None, count=failed, fault=fault)


def name_fault(error: Exception) -> str:
    """Return what `error` is, without its text where that may quote what was sent."""
    if isinstance(error, conf.SettingError | backends.CannotSend):
        return str(error)
    answer = getattr(error, "response", None)  # botocore.exceptions.ClientError: what SQS said
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return _safe_code(str(code)) if code else type(error).__name__


def is_of_signal(error: BaseException) -> bool:
    """Whether a signal handler raised it, such as a job's time limit: that is the job's."""
    handlers = {getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()}
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))


def _safe_code(code: str) -> str:
    return code if not code or _SAFE_CODE(code) else "a refusal without a readable code"
