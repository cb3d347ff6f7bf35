"""Packs encoded events and hands them to the backend; counts what comes of it. One thread, no waiting."""

import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from whyness_mixpanel import backends, conf, counters, forks, signals
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
        has_answered: whether the queue said so itself, so that an event may be to blame.
        early: others whose time has not come: nothing is wrong with them.
    """

    confirmed: list[bool]
    dead: Mapping[int, str] = MappingProxyType({})
    fault: str = ""
    is_call_refused: bool = False
    has_answered: bool = True
    early: frozenset[int] = frozenset()


# What is told of an event: it is safe, it is not, why it never will be, or None: its time has not come.
_Told = bool | str | None


def publish_each(
    encoded: Sequence[str],
    *,
    identity: str | None = None,
    group: str = backends.LIVE_GROUP,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Published:
    """Publish events now; count and return what became of each.

    Args:
        encoded: what `Event.json()` made.
        identity: the mode they travel in; None is the setting's.
        group: of the queue.
        is_wanted: asked before each call whether to make it.
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
    """Do what `publish_each` does, and count nothing; `publish` stands for the backend's.

    Raises:
        SettingError: a setting is not allowed, so that nothing can be sent.
    """
    told: list[_Told] = [False] * len(encoded)
    fault, is_call_refused, has_answered = "", False, True
    try:
        publish = publish or backends.get_publish(conf.BACKEND.get())
        fault = _send(publish, encoded, identity or conf.IDENTITY.get(), group, is_wanted, told)
    except conf.SettingError:
        raise
    except Exception as error:
        if is_of_signal(error):
            raise
        fault = name_fault(error)
        is_call_refused = has_answered = bool(_code_of(error))
    return Published(
        confirmed=[fate is True for fate in told],
        dead={index: fate for index, fate in enumerate(told) if isinstance(fate, str)},
        fault=(fault or "the answer was incomplete") if False in told else "",
        is_call_refused=is_call_refused,
        has_answered=has_answered,
        early=frozenset(index for index, fate in enumerate(told) if fate is None),
    )


def _send(  # noqa: PLR0913, PLR0917  (all that a call needs)
    publish: backends.Publish,
    encoded: Sequence[str],
    identity: str,
    group: str,
    is_wanted: Callable[[], bool],
    told: list[_Told],
) -> str:
    """Send events, one call after the other; note what is told of each, and return why others were not taken.

    A message that the queue never takes goes again in halves: one event must not hold up the others.
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


def _each(answer: backends.Answer, index: int, event_count: int) -> list[_Told]:
    """Return what an answer says of each event of a message."""
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
    """Return what `error` is, without its text where that may quote what was sent."""
    if isinstance(error, backends.CannotSend):
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
