"""Signals for the team's own metrics. Receivers run where the event was sent; one that raises breaks nothing.

Each has keywords only:

- `event_published`: `count` events were confirmed by the queue.
- `event_parked`: `count` events were put aside in the outbox for a person; `reason` shows no value.
- `publish_failed`: `count` events were not confirmed; `fault` says why, without a value.
"""

from django.dispatch import Signal

event_published = Signal()
event_parked = Signal()
publish_failed = Signal()
