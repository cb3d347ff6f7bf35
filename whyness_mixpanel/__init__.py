"""The Django app: make an event with `whyness_mixpanel.models.Event`, and publish it with `send()`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyness_mixpanel.event import Event


def send_many(events: "Iterable[Event]", using: str | None = None) -> bool:
    """Send several events with few queries; True when each of them is written (see `Event.send()`)."""
    from whyness_mixpanel import event  # noqa: PLC0415  (models cannot be imported while apps are loading)

    return event.send_many(events, using)
