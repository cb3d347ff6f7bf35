"""Where message bodies go: one module per backend, each with a `publish`. They decide nothing."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast


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


class CannotSend(Exception):  # noqa: N818  (it is the sending that fails)
    """Nothing can be sent; the text is free of what was sent, and of secrets."""


# SQS serves the groups of a fair queue in turn: a backfill then does not delay today's events.
LIVE_GROUP, BACKFILL_GROUP = "live", "backfill"


class Publish(Protocol):
    """What a backend has."""

    def __call__(self, bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:
        """Send `bodies` in one call, as messages of `group`; may raise anything: then no body is safe."""


def get_publish(backend: str) -> Publish:
    """Return a backend's `publish`."""
    return cast("Publish", import_module(f"{__name__}.{backend}").publish)


def all_of(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
    """Return the answer that confirms each of `bodies`."""
    return Answer(frozenset(range(len(bodies))))
