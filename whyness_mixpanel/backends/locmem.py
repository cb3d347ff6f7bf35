"""Keeps published messages in this process, for tests. With it, `send()` raises for an invalid event."""

from collections.abc import Sequence

from whyness_mixpanel.backends import LIVE_GROUP, Answer, all_of

# The encoded events passed to send(), whether or not their transaction commits.
sent: list[str] = []
# The published message bodies.
messages: list[str] = []


def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (no queue)
    """Append `bodies` to `messages`."""
    messages.extend(bodies)
    return all_of(bodies)
