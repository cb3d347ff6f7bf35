"""Packs encoded events, hands them to the backend, and counts the results. One thread, no waiting."""

import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from whyness_mixpanel import backends, conf, counters, forks, signals
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.publishing import messages

logger = logging.getLogger("whyness_mixpanel")

_SAFE_CODE = re.compile(r"[A-Za-z0-9.]{1,100}").fullmatch


class Answered(Enum):
    """What the queue answered for."""

    EACH_MESSAGE = auto()
    WHOLE_CALL = auto()  # it refused the call, and any one of its events may be the cause
    NOTHING = auto()  # no answer arrived, so no event is the cause


class Published(NamedTuple):
    """The results of publishing, in the order of the events.

    Args:
        confirmed: for each event whether it is delivered, or safe in the queue.
        dead: reasons of events that will never be delivered, by index. The caller must park them.
        fault: why the others were not published; free of anything that was sent.
        answered: what the queue answered for.
        early: indexes of events whose time is in the future. Nothing is wrong with them.
    """

    confirmed: list[bool]
    dead: Mapping[int, str] = MappingProxyType({})
    fault: str = ""
    answered: Answered = Answered.EACH_MESSAGE
    early: frozenset[int] = frozenset()


# Of an event: whether it is safe, or why it never will be, or None where its time is in the future.
_Fate = bool | str | None


def publish_each(
    encoded: Sequence[str],
    *,
    identity: str | None = None,
    group: str = backends.LIVE_GROUP,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Published:
    """Publish events now, and count the results.

    Args:
        encoded: what `Event.json()` made.
        identity: the mode they travel in; None is that of the setting.
        group: the message group.
        is_wanted: called before each call to the backend; False ends it.
    """
    try:
        done = attempt(encoded, identity=identity, group=group, is_wanted=is_wanted)
    except conf.SettingError as error:
        done = Published([False] * len(encoded), fault=str(error))
    _count(done)
    return done


def attempt(
    encoded: Sequence[str],
    *,
    identity: str | None = None,
    group: str = backends.LIVE_GROUP,
    is_wanted: Callable[[], bool] = lambda: True,
    publish: backends.Publish | None = None,
) -> Published:
    """Do what `publish_each` does, without counting; `publish` is by default the backend's.

    Raises:
        SettingError: a setting is invalid, so nothing can be sent.
    """
    fates: list[_Fate] = [False] * len(encoded)
    fault, answered = "", Answered.EACH_MESSAGE
    try:
        publish = publish or backends.get_publish(conf.BACKEND.get())
        fault = _send(publish, encoded, identity or conf.IDENTITY.get(), group, is_wanted, fates)
    except conf.SettingError:
        raise
    except Exception as error:
        if is_of_signal(error):
            raise
        fault = name_fault(error)
        answered = Answered.WHOLE_CALL if _code_of(error) else Answered.NOTHING
    return Published(
        confirmed=[fate is True for fate in fates],
        dead={index: fate for index, fate in enumerate(fates) if isinstance(fate, str)},
        fault=(fault or "the answer was incomplete") if False in fates else "",
        answered=answered,
        early=frozenset(index for index, fate in enumerate(fates) if fate is None),
    )


def _send(  # noqa: PLR0913, PLR0917  (all that a call needs)
    publish: backends.Publish,
    encoded: Sequence[str],
    identity: str,
    group: str,
    is_wanted: Callable[[], bool],
    fates: list[_Fate],
) -> str:
    """Send events, one call after the other; set their fates, and return why others were not accepted.

    A message that the queue always refuses is sent again in halves, so that one event does not block others.
    """
    calls = deque(messages.calls(messages.pack(encoded, identity=identity)))
    refusal = ""
    while calls:
        if not is_wanted():
            return refusal or "the time limit was reached"
        call = calls.popleft()
        with forks.allowed():
            answer = publish([message.body for message in call], group=group)
        if not isinstance(answer, backends.Answer):
            raise backends.CannotSend("the publish function of BACKEND must return a backends.Answer")
        if not answer.confirmed <= set(range(len(call))):
            raise RuntimeError  # it confirms messages that were not sent, so it cannot be trusted
        refusal = refusal or _safe_code(answer.refusal)
        again: list[messages.Packed] = []
        for index, (_, event_count, first) in enumerate(call):
            middle, end = first + event_count // 2, first + event_count
            if index in answer.refused and event_count > 1:
                again += messages.pack(encoded[first:middle], identity=identity, first=first)
                again += messages.pack(encoded[middle:end], identity=identity, first=middle)
            else:
                fates[first:end] = _fates_in(answer, index, event_count)
        calls += messages.calls(again)
    return refusal


def _fates_in(answer: backends.Answer, index: int, event_count: int) -> list[_Fate]:
    """Return the fates of the events of a message."""
    if why := answer.refused.get(index):
        return [why] * event_count
    is_safe = index in answer.confirmed
    places = [(index, place) for place in range(event_count)]
    return [None if place in answer.early else answer.dead.get(place, is_safe) for place in places]


def _count(done: Published) -> None:
    published = done.confirmed.count(True)
    failed = len(done.confirmed) - published - len(done.dead) - len(done.early)
    counters.add("published", published)
    counters.add("failed", failed)
    counters.add("refused", len(done.dead))
    for reason, count in Counter(done.dead.values()).items():
        logger.warning("%d events were refused permanently: %s", count, reason)
    if published:
        signals.event_published.send_robust(sender=None, count=published)
    if failed:
        signals.publish_failed.send_robust(sender=None, count=failed, fault=done.fault)


def name_fault(error: Exception) -> str:
    """Return the name of an error, without its text where that may quote what was sent."""
    if isinstance(error, backends.CannotSend):
        return str(error)
    code = _code_of(error)
    return _safe_code(code) if code else type(error).__name__


def _code_of(error: Exception) -> str | None:
    """Return the error code of SQS, from a botocore.exceptions.ClientError."""
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return str(code) if code else None


def _safe_code(code: str) -> str:
    return code if not code or _SAFE_CODE(code) else "a refusal without a readable code"
