"""Where message bodies go: one module per backend, each with a `publish`. They decide nothing.

A site may have a backend of its own: a module, or a class or an object in one, that is a `Backend`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, cast

from whyness_events.version import __version__
from whyness_mixpanel.forks import in_child

# The wheel is on no index, so it is named by its file.
INSTALL_DIRECT = f"pip install 'whyness_mixpanel-{__version__}-py3-none-any.whl[direct]'"


class Answer(NamedTuple):
    """What became of one call.

    Args:
        confirmed: the indexes of the bodies that are safe; all others are not.
        refusal: the code of a refusal, where some were refused; free of what was sent.
        dead: why events in confirmed bodies will never be delivered, a safe sentence each, by the index of
            the body and the place in it. Nobody else keeps these events.
        refused: why other bodies will never be taken as they are, a safe sentence each, by the index of the
            body; fewer of its events may be.
        early: events in confirmed bodies that are not delivered, for their time has not come; by the index of
            the body and the place in it. Nobody else keeps these events.
    """

    confirmed: frozenset[int]
    refusal: str = ""
    dead: Mapping[tuple[int, int], str] = MappingProxyType({})
    refused: Mapping[int, str] = MappingProxyType({})
    early: frozenset[tuple[int, int]] = frozenset()


class CannotSend(Exception):
    """Nothing can be sent; the text is free of what was sent, and of secrets."""


# SQS serves the groups of a fair queue in turn: a backfill then does not delay today's events.
LIVE_GROUP, BACKFILL_GROUP = "live", "backfill"


class Publish(Protocol):
    """How a backend publishes."""

    def __call__(self, bodies: Sequence[str], *, group: str) -> Answer:
        """Send `bodies` in one call, as messages of `group`; may raise anything: then no body is safe."""


class Backend(Protocol):
    """What the setting BACKEND names. Threads may share it; a class is made once in each process."""

    @property
    def publish(self) -> Publish:
        """See `Publish`."""


def get_publish(backend: str) -> Publish:
    """Return the `publish` of a backend, by our name or its dotted path.

    Raises:
        CannotSend: it is not there, or not a backend.
    """
    if "." not in backend:
        return cast("Publish", import_module(f"{__name__}.{backend}").publish)
    try:
        made = _made(backend).publish
    except (ImportError, AttributeError) as error:
        raise CannotSend(f"BACKEND cannot be imported: {type(error).__name__}") from error
    return cast("Publish", made)


def find(path: str) -> Any:
    """Import what a dotted path names, a module or something in it; may raise anything."""
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
