"""Signals for a site's own metrics. An exception of a receiver is ignored.

Receivers run in the thread that publishes, the relay's or a command's: after the page, without a request.
Only for an invalid event, `event_parked` is sent in the thread that called `send()`.

Each has keywords only:

- `event_published`: `count` events were confirmed by the queue.
- `event_parked`: `count` events were parked in the outbox; `reason` shows no value.
- `publish_failed`: `count` events were not confirmed; `fault` says why, without a value.
"""

from django.dispatch import Signal

event_published = Signal()
event_parked = Signal()
publish_failed = Signal()
