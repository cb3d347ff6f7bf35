"""Where message bodies go: one module per backend, each with `publish(bodies)`. They decide nothing."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple, cast


class Answer(NamedTuple):
    """What became of one call.

    Args:
        confirmed: the indexes of the bodies that are safe; all others are not.
        refusal: the code of a refusal, where some were refused; free of what was sent.
    """

    confirmed: frozenset[int]
    refusal: str = ""


Publish = Callable[[Sequence[str]], Answer]


def get_publish(backend: str) -> Publish:
    """Return a backend's `publish`; it may raise anything, which means that no body is safe."""
    return cast("Publish", import_module(f"{__name__}.{backend}").publish)


def all_of(bodies: Sequence[str]) -> Answer:
    """Return the answer that confirms each of `bodies`."""
    return Answer(frozenset(range(len(bodies))))
