"""Packs encoded events and hands them to the backend within a budget; counts and logs what comes of it."""

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from whyness_mixpanel import backends, conf, counters, packing, pool, signals
from whyness_mixpanel.breaker import Breaker

logger = logging.getLogger("whyness_mixpanel")

_LATE = "no answer within PUBLISH_BUDGET_MS"
_SAFE_CODE = re.compile(r"[A-Za-z0-9.]{1,100}").fullmatch

_breaker = Breaker()
_is_failing = False


class Published(NamedTuple):
    """What became of events, in the order in which they were given.

    Args:
        confirmed: for each whether it is delivered, or safe in the queue.
        dead: why others never will be, by their indexes: whoever has these events must put them aside.
    """

    confirmed: list[bool]
    dead: Mapping[int, str] = MappingProxyType({})


def publish(encoded: Sequence[str], *, identity: str | None = None) -> bool:
    """Publish events that `Event.json()` made, now; True when the queue confirmed each of them.

    Waits at most PUBLISH_BUDGET_MS, and not at all while the breaker is open. Raises nothing.
    """
    return all(publish_each(encoded, identity=identity).confirmed)


def publish_each(
    encoded: Sequence[str], *, identity: str | None = None, budget_s: float | None = None
) -> Published:
    """Publish events now; return what became of each.

    Args:
        encoded: what `Event.json()` made.
        identity: the mode they travel in; None is the setting's.
        budget_s: how long to wait, at most; with it the breaker is not asked. None is PUBLISH_BUDGET_MS.
    """
    if not encoded:
        return Published([])
    if budget_s is None and not _breaker.lets_through():
        _count(published=0, failed=len(encoded), fault="not tried: the queue failed just now")
        return Published([False] * len(encoded))
    attempt = _Attempt(encoded)
    fault = ""
    try:
        backend = backends.get_publish(conf.BACKEND.get())
        mode = identity or conf.IDENTITY.get()
        wait_s = conf.PUBLISH_BUDGET_MS.get() / 1000 if budget_s is None else budget_s
        pool.run(lambda job: attempt.make(backend, mode, job), budget_s=wait_s)
    except pool.BudgetExceeded:
        fault = _LATE
    except Exception as error:  # noqa: BLE001  (whatever ails the queue, the page goes on; counted and logged)
        fault = name_fault(error)
    told = list(attempt.told)  # a copy: whoever hangs may still add to it
    confirmed = [each is True for each in told] + [False] * (len(encoded) - len(told))
    dead = {index: each for index, each in enumerate(told) if isinstance(each, str)}
    _tell_dead(dead)
    failed = confirmed.count(False) - len(dead)
    record(published=sum(confirmed), failed=failed, fault=fault or attempt.refusal)
    return Published(confirmed, dead)


class _Attempt:
    """One publishing: what the thread that makes it has found out, while another may stop waiting.

    Args:
        encoded: all events.
    """

    def __init__(self, encoded: Sequence[str]) -> None:
        self._encoded = encoded
        # Of each event, in order: whether it is confirmed, or why it is dead.
        self.told: list[bool | str] = []
        self.refusal = ""

    def make(self, publish: backends.Publish, identity: str, job: pool.Job) -> None:
        """Send all events, one call after the other, while anybody waits."""
        self._send(packing.pack(self._encoded, identity=identity), publish, identity, job)

    def _send(
        self, messages: Sequence[packing.Packed], publish: backends.Publish, identity: str, job: pool.Job
    ) -> None:
        """Send the messages of the next events."""
        for call in packing.calls(messages):
            if not job.is_wanted:
                return
            answer = publish([message.body for message in call])
            if not answer.confirmed <= set(range(len(call))):
                raise RuntimeError  # it speaks of messages that were not sent: nothing in it can be trusted
            self.refusal = self.refusal or _safe_code(answer.refusal)
            for index, message in enumerate(call):
                end = len(self.told) + message.event_count
                if index in answer.refused and message.event_count > 1:
                    self._send(self._halves(message, identity), publish, identity, job)
                else:
                    self.told += _each(answer, index, message.event_count)
                if len(self.told) < end:
                    return  # nobody waits any more

    def _halves(self, message: packing.Packed, identity: str) -> list[packing.Packed]:
        """Return the next message in two: one event that the queue never takes must not hold up others."""
        begin, half = len(self.told), message.event_count // 2
        middle, end = begin + half, begin + message.event_count
        parts = self._encoded[begin:middle], self._encoded[middle:end]
        return [packed for part in parts for packed in packing.pack(part, identity=identity)]


def _each(answer: backends.Answer, index: int, event_count: int) -> list[bool | str]:
    """Return what an answer says of each event of a message."""
    if why := answer.refused.get(index):
        return [why] * event_count
    return [answer.dead.get((index, place), index in answer.confirmed) for place in range(event_count)]


def record(*, published: int = 0, failed: int = 0, fault: str = "") -> None:
    """Count the events of an attempt, send the signals, log where things turned for the worse or the better.

    Args:
        published: how many are safe in the queue.
        failed: how many are not.
        fault: what was wrong, free of anything that was sent; not looked at where none failed.
    """
    fault = fault or "incomplete answer"
    _count(published=published, failed=failed, fault=fault)
    _tell(fault, published=published, failed=failed)


def _tell_dead(dead: Mapping[int, str]) -> None:
    counters.add("refused", len(dead))
    for reason, count in Counter(dead.values()).items():
        logger.warning("%d events will never be delivered: %s", count, reason)


def _count(*, published: int, failed: int, fault: str) -> None:
    counters.add("published", published)
    counters.add("failed", failed)
    if published:
        signals.event_published.send_robust(sender=None, count=published)
    if failed:
        signals.publish_failed.send_robust(sender=None, count=failed, fault=fault)


def _tell(fault: str, *, published: int, failed: int) -> None:
    global _is_failing
    before, _is_failing = _is_failing, bool(failed)
    if failed and not published:
        _breaker.open(is_late=fault == _LATE)
    else:
        _breaker.close()
    if failed and not before:
        logger.warning("Publishing fails: %s. Events wait in the outbox; logged again when it works.", fault)
    elif before and not failed:
        logger.info("Publishing works again.")


def name_fault(error: Exception) -> str:
    """Return what `error` is, without its text where that may quote what was sent."""
    if isinstance(error, conf.SettingError | backends.CannotSend):
        return str(error)
    answer = getattr(error, "response", None)  # botocore.exceptions.ClientError: what SQS said
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return _safe_code(str(code)) if code else type(error).__name__


def _safe_code(code: str) -> str:
    return code if not code or _SAFE_CODE(code) else "a refusal without a readable code"


def start_afresh() -> None:
    """Forget what went wrong, as a forked worker does."""
    global _breaker, _is_failing
    _breaker, _is_failing = Breaker(), False


if sys.platform != "win32":
    os.register_at_fork(after_in_child=start_afresh)
