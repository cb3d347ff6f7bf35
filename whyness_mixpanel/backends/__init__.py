"""The backends, which send message bodies: one module each, with a function `publish`.

A site may provide its own `Backend`: a module, or a class or an object in a module.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, cast

from whyness_events.version import __version__
from whyness_mixpanel.forks import in_child

# The wheel is not on an index, so it is installed from its file.
INSTALL_DIRECT = f"pip install 'whyness_mixpanel-{__version__}-py3-none-any.whl[direct]'"


class Answer(NamedTuple):
    """The result of one call.

    Args:
        confirmed: the indexes of the bodies that are safe; all others are not.
        refusal: the error code, if some bodies were refused; free of what was sent.
        dead: the reasons of events in confirmed bodies that will never be delivered, by index of the body and
            position in it; free of values. The caller must keep these events.
        refused: the reasons of other bodies that will always be refused as they are, by index; free of
            values. With fewer events, they may be accepted.
        early: events in confirmed bodies that were not delivered because their time is in the future, by
            index of the body and position in it. The caller must keep these events.
    """

    confirmed: frozenset[int]
    refusal: str = ""
    dead: Mapping[tuple[int, int], str] = MappingProxyType({})
    refused: Mapping[int, str] = MappingProxyType({})
    early: frozenset[tuple[int, int]] = frozenset()


class CannotSend(Exception):
    """Nothing can be sent; the text is free of event data and secrets."""


# SQS serves the message groups of a fair queue in turn, so a backfill does not delay live events.
LIVE_GROUP, BACKFILL_GROUP = "live", "backfill"


class Publish(Protocol):
    """The function of a backend."""

    def __call__(self, bodies: Sequence[str], *, group: str) -> Answer:
        """Send `bodies` in one call, as messages of `group`; if this raises, no body is safe."""


class Backend(Protocol):
    """What the setting BACKEND names. Shared by threads; a class is instantiated once per process."""

    @property
    def publish(self) -> Publish:
        """See `Publish`."""


def get_publish(backend: str) -> Publish:
    """Return the `publish` of a backend, by the name of one of ours or by a dotted path.

    Raises:
        CannotSend: it cannot be imported, or is not a backend.
    """
    if "." not in backend:
        return cast("Publish", import_module(f"{__name__}.{backend}").publish)
    try:
        made = _made(backend).publish
    except (ImportError, AttributeError) as error:
        raise CannotSend(f"BACKEND cannot be imported: {type(error).__name__}") from error
    return cast("Publish", made)


def find(path: str) -> Any:
    """Import a module, or an object of one, by its dotted path; may raise anything."""
    try:
        return import_module(path)
    except ModuleNotFoundError as missing:
        if missing.name != path:
            raise
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


@cache
def _made(path: str) -> Any:
    made = find(path)
    return made() if isinstance(made, type) else made


@in_child
def _start_afresh() -> None:
    _made.cache_clear()  # a forked child may not share its connections


def all_of(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
    """Return the answer that confirms each of `bodies`."""
    return Answer(frozenset(range(len(bodies))))
