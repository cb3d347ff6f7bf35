"""Keeps what is published in this process, for tests. With it, `send()` raises on an invalid event."""

from collections.abc import Sequence

from whyness_mixpanel.backends import LIVE_GROUP, Answer, all_of

# What send() was called with, encoded, whether or not its transaction commits.
sent: list[str] = []
# What was published: message bodies.
messages: list[str] = []


def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (no queue)
    """Append `bodies` to `messages`."""
    messages.extend(bodies)
    return all_of(bodies)
