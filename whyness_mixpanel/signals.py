"""Signals for the team's own metrics. A receiver that raises breaks nothing.

Receivers run in the thread that publishes, the relay's or a command's: after the page, without a request.
Only `event_parked` for an event that breaks a rule is sent where `send()` was called.

Each has keywords only:

- `event_published`: `count` events were confirmed by the queue.
- `event_parked`: `count` events were put aside in the outbox for a person; `reason` shows no value.
- `publish_failed`: `count` events were not confirmed; `fault` says why, without a value.
"""

from django.dispatch import Signal

event_published = Signal()
event_parked = Signal()
publish_failed = Signal()
