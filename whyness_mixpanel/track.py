"""Events of a request: its user, address and User-Agent go into the event."""

from typing import Any, Unpack

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from whyness_events import WhynessEventsError
from whyness_mixpanel import bots, counters
from whyness_mixpanel.event import Event, lose
from whyness_mixpanel.event_types import EventFields, TextValue
from whyness_mixpanel.request_facts import address_of


def track(
    request: HttpRequest,
    event: TextValue,
    properties: dict[str, Any] | None = None,
    *,
    using: str | None = None,
    **fields: Unpack[EventFields],
) -> bool:
    """Send an event about `request`; see `event_of` for the fields and `Event.send()` for the result.

    Events of programs (BOT_USERAGENTS) are not sent but counted as `bots`; then the result is False.
    """
    try:
        made = event_of(request, event, properties, **fields)
        useragent = _text(made.useragent) or request.META.get("HTTP_USER_AGENT", "")
    except Exception as error:  # noqa: BLE001  (whatever an object that is not a request raises)
        lose(error)
        return False
    if bots.is_bot(useragent):
        counters.add("bots")
        return False
    return made.send(using)


async def atrack(
    request: HttpRequest,
    event: TextValue,
    properties: dict[str, Any] | None = None,
    *,
    using: str | None = None,
    **fields: Unpack[EventFields],
) -> bool:
    """Do what `track()` does, in async code."""
    try:
        return await sync_to_async(track)(request, event, properties, using=using, **fields)
    except WhynessEventsError:
        raise
    except Exception as error:  # noqa: BLE001  (at the end of a process there is no thread)
        lose(error)
        return False


def event_of(
    request: HttpRequest,
    event: TextValue,
    properties: dict[str, Any] | None = None,
    **fields: Unpack[EventFields],
) -> Event:
    """Return the event, without sending or filtering it. In async code, await its `asend()`.

    Args:
        request: its user, its address (by TRUSTED_PROXIES) and its User-Agent go into the event. The user is
            looked up when the event is sent.
        event: the event's name.
        properties: of the event.
        fields: other fields of `Event`, such as `insert_id`, `time` and `data`; `user`, `ip` and `useragent`
            replace those of the request.
    """
    taken: EventFields = {
        "user": SimpleLazyObject(lambda: getattr(request, "user", None)),
        "ip": address_of(request),
        "useragent": request.META.get("HTTP_USER_AGENT", ""),
    }
    taken.update(fields)
    return Event(event=event, properties=properties, **taken)


def _text(value: object) -> str:
    """Return a text, and `""` for anything else: a lazy User-Agent is not one of a program."""
    return str.__str__(value) if issubclass(type(value), str) else ""
