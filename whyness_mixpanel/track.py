"""Events of a request: who, from where and with what is taken from it."""

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from whyness_mixpanel import bots, conf, counters, proxies
from whyness_mixpanel.event import Event


def track(
    request: HttpRequest,
    event: str,
    properties: dict[str, Any] | None = None,
    *,
    using: str | None = None,
    **fields: Any,
) -> bool:
    """Send an event about `request`; see `event_of` for the fields and `Event.send()` for what it returns.

    What a program does (BOT_USERAGENTS) is not sent, and counted as `bots`: False.
    """
    useragent = fields.get("useragent")
    if bots.is_bot(useragent) if useragent and isinstance(useragent, str) else bots.from_bot(request):
        counters.add("bots")
        return False
    return event_of(request, event, properties, **fields).send(using)


async def atrack(
    request: HttpRequest,
    event: str,
    properties: dict[str, Any] | None = None,
    *,
    using: str | None = None,
    **fields: Any,
) -> bool:
    """Do what `track()` does, in async code."""
    return await sync_to_async(track)(request, event, properties, using=using, **fields)


def event_of(
    request: HttpRequest, event: str, properties: dict[str, Any] | None = None, **fields: Any
) -> Event:
    """Return the event, neither sent nor filtered. In async code give the `user`, and await its `asend()`.

    Args:
        request: its signed-in user, its address (by TRUSTED_PROXIES) and its User-Agent go into the event.
        event: the event's name.
        properties: of the event.
        fields: of `Event`, such as `insert_id`, `time` and `data`; one of `user`, `ip` or `useragent` stands
            instead of the request's.
    """
    if "user" not in fields:
        fields["user"] = _user_of(request)  # it may ask the database, so it is not asked in vain
    from_request = {"ip": address_of(request), "useragent": request.META.get("HTTP_USER_AGENT", "")}
    return Event(event=event, properties=properties, **(from_request | fields))


def address_of(request: HttpRequest) -> str:
    """Return the address that `request` came from, `""` where it or a setting cannot be read."""
    try:
        trusted = conf.TRUSTED_PROXIES.get()
    except conf.SettingError:
        return ""  # a page goes on; the system check names the setting
    meta = request.META
    return proxies.client_address(
        meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR") or "", trusted
    )


def _user_of(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated and user.pk is not None else ""
