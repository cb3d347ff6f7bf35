"""Discards everything and says that all is well."""

from collections.abc import Sequence

from whyness_mixpanel.backends import Answer, all_of


def publish(bodies: Sequence[str]) -> Answer:
    """Discard `bodies`."""
    return all_of(bodies)
