"""Packs encoded events and hands them to the backend; counts what comes of it. One thread, no waiting."""

import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from whyness_mixpanel import backends, conf, counters, signals
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.publishing import messages

logger = logging.getLogger("whyness_mixpanel")

_SAFE_CODE = re.compile(r"[A-Za-z0-9.]{1,100}").fullmatch


class Published(NamedTuple):
    """What became of events, in the order in which they were given.

    Args:
        confirmed: for each whether it is delivered, or safe in the queue.
        dead: why others never will be, by their indexes: whoever has these events must put them aside.
        fault: why the rest was not taken, free of anything that was sent.
        is_call_refused: whether the queue refused a call as a whole, for which one event may be to blame.
    """

    confirmed: list[bool]
    dead: Mapping[int, str] = MappingProxyType({})
    fault: str = ""
    is_call_refused: bool = False


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
    told: list[bool | str] = [False] * len(encoded)
    fault, is_call_refused = "", False
    try:
        fault = _send(encoded, identity or conf.IDENTITY.get(), group, is_wanted, told)
    except Exception as error:
        if is_of_signal(error):
            raise
        fault, is_call_refused = name_fault(error), bool(_code_of(error))
    dead = {index: each for index, each in enumerate(told) if isinstance(each, str)}
    failed = told.count(False)
    fault = (fault or "incomplete answer") if failed else ""
    _count(published=len(told) - failed - len(dead), failed=failed, fault=fault, dead=dead)
    return Published([each is True for each in told], dead, fault, is_call_refused)


def _send(
    encoded: Sequence[str], identity: str, group: str, is_wanted: Callable[[], bool], told: list[bool | str]
) -> str:
    """Send events, one call after the other; note what is told of each, and return why others were not taken.

    A message that the queue never takes goes again in halves: one event must not hold up the others.
    """
    publish = backends.get_publish(conf.BACKEND.get())
    options = {} if group == backends.LIVE_GROUP else {"group": group}
    calls = deque(messages.calls(messages.pack(encoded, identity=identity)))
    refusal = ""
    while calls:
        if not is_wanted():
            return refusal or "given up in time"
        call = calls.popleft()
        answer = publish([message.body for message in call], **options)
        if not answer.confirmed <= set(range(len(call))):
            raise RuntimeError  # it speaks of messages that were not sent: nothing in it can be trusted
        refusal = refusal or _safe_code(answer.refusal)
        again: list[messages.Packed] = []
        for index, (_, event_count, first) in enumerate(call):
            middle, end = first + event_count // 2, first + event_count
            if index in answer.refused and event_count > 1:
                again += messages.pack(encoded[first:middle], identity=identity, first=first)
                again += messages.pack(encoded[middle:end], identity=identity, first=middle)
            else:
                told[first:end] = _each(answer, index, event_count)
        calls += messages.calls(again)
    return refusal


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
    code = _code_of(error)
    return _safe_code(code) if code else type(error).__name__


def _code_of(error: Exception) -> str | None:
    """Return what SQS said, of a botocore.exceptions.ClientError."""
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return str(code) if code else None


def _safe_code(code: str) -> str:
    return code if not code or _SAFE_CODE(code) else "a refusal without a readable code"
