"""What events have from where they are sent: blocks, the request, and the setting SUPER_PROPERTIES.

It is merged into an event's fields where the event is encoded, so that a row of the outbox has all of it.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from whyness_events import InvalidEvent
from whyness_events.event import CALLERS_PROPERTY_KEYS, check_property_name
from whyness_events.values import check_value
from whyness_mixpanel import conf, counters
from whyness_mixpanel.encoding.plain_values import members
from whyness_mixpanel.encoding.refusal import public_text, refusal_of
from whyness_mixpanel.faults import is_of_signal, type_name

if TYPE_CHECKING:
    from whyness_mixpanel.request_facts import RequestFacts

logger = logging.getLogger("whyness_mixpanel")

Scrub = Callable[[Any], Any]
_PATH = "properties.*"


class Scope:
    """A block, or a request, whose events have properties in common.

    A task, a thread or a fork may keep a copy of the context and serve others with it, so a scope gives
    nothing once it is closed, and nothing in another process.

    Args:
        properties: of the block.
        request: for the scope of a request, in which nothing of the scopes around it applies.
    """

    __slots__ = ("_pid", "_token", "outer", "properties", "request")

    def __init__(self, properties: Mapping[str, Any], request: "RequestFacts | None" = None) -> None:
        self.properties, self.request = properties, request
        self.outer = None if request else _current.get()
        self._pid = 0
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> None:
        self._pid = os.getpid()
        self._token = _current.set(self)

    def __exit__(self, *_error: object) -> None:
        self._pid, self.request = 0, None
        if self._token:
            with suppress(ValueError):  # a generator that was begun in another context
                _current.reset(self._token)

    @property
    def is_open(self) -> bool:
        """Whether its events are being sent now, in this process."""
        return self._pid == os.getpid()


_current: ContextVar[Scope | None] = ContextVar("whyness_mixpanel_scope", default=None)


@contextmanager
def context(**properties: Any) -> Iterator[None]:
    """Give `properties` to every event that is sent inside the block, also in the functions it calls.

    Properties of the event itself count first, then those of the inner block, of the outer one, of the
    request (ContextMiddleware), and SUPER_PROPERTIES. A property that is not allowed is left out.
    """
    with Scope(properties):
        yield


def add_context(fields: dict[str, Any], user: str, scrub: Scrub) -> bool:
    """Add to an event's fields what they lack; return whether anything was added.

    Only `properties`, `ip` and `useragent` are changed: not the fields by which Mixpanel deduplicates.

    Args:
        fields: of the event, without secrets.
        user: whom the event is about, also if that counts as anonymous.
        scrub: removes secrets.
    """
    own = fields.get("properties")
    if type(own) is not dict:
        return False  # the event is invalid
    before = own, fields.get("ip"), fields.get("useragent")
    for layer in _layers(fields, user, scrub):
        more = {name: value for name, value in layer.items() if name not in own}
        if len(own) + len(more) > CALLERS_PROPERTY_KEYS:
            leave_out(f"the event has {len(own)} properties without them")
        elif more:
            own = own | more
    fields["properties"] = own
    return before != (own, fields.get("ip"), fields.get("useragent"))


def _layers(fields: dict[str, Any], user: str, scrub: Scrub) -> Iterator[Mapping[str, Any]]:
    """Yield properties, those that count first before the others."""
    scope = _current.get()
    while scope is not None:
        request = scope.request
        if scope.is_open and request is None:
            yield _allowed(scope.properties, scrub)
        elif scope.is_open and request is not None:
            yield _of_request(request, fields, user, scrub)
        scope = scope.outer
    yield _allowed(_super_properties(), scrub)


def _of_request(
    request: "RequestFacts", fields: dict[str, Any], user: str, scrub: Scrub
) -> Mapping[str, Any]:
    """Return the request's properties, and fill in its address and header."""
    try:
        if not request.may_be_of(user):
            return {}
        properties = request.properties(scrub)
        if fields.get("ip") == "":
            fields["ip"] = request.address
        if fields.get("useragent") == "":
            fields["useragent"] = request.useragent
    except Exception as error:  # the user's query, or a server with headers of its own kind
        if is_of_signal(error):
            raise
        leave_out(f"the request could not be read ({type_name(error)})")
        return {}
    return properties


def _super_properties() -> Any:
    try:
        chosen = conf.SUPER_PROPERTIES.get()
        return chosen() if callable(chosen) else chosen
    except conf.SettingError as error:
        leave_out(str(error))
    except Exception as error:  # the site's own function can raise anything
        if is_of_signal(error):
            raise
        leave_out(f"the function SUPER_PROPERTIES raised {type_name(error)}")
    return {}


def _allowed(properties: Any, scrub: Scrub) -> Mapping[str, Any]:
    """Return the properties that an event may have, as JSON values without secrets."""
    if not properties:
        return {}
    try:
        made, refused = members(properties)
    except Exception as error:  # noqa: BLE001  (whatever an object that is not a dictionary raises)
        leave_out(public_text(refusal_of(error).named(_PATH)))
        return {}
    for _, _, refusal in refused:
        leave_out(public_text(refusal.named(_PATH)))
    clean: dict[str, Any] = scrub({name: value for name, value in made.items() if _is_allowed(name, value)})
    return clean


def _is_allowed(name: str, value: object) -> bool:
    try:
        check_property_name(name)
        check_value(_PATH, value)
    except InvalidEvent as error:
        leave_out(public_text(error))
        return False
    return True


def leave_out(reason: str) -> None:
    """Count and log that an event goes without properties of its context; the reason shows no value."""
    counters.add("context")
    logger.warning("Properties of the context were left out of an event: %s", reason)
