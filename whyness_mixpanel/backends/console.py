"""Prints message bodies instead of sending them, for development. They contain personal data."""

import sys
from collections.abc import Sequence

from whyness_mixpanel.backends import LIVE_GROUP, Answer, all_of


def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (no queue)
    """Print each of `bodies` on a line of its own."""
    sys.stdout.write("".join(f"{body}\n" for body in bodies))
    sys.stdout.flush()
    return all_of(bodies)
