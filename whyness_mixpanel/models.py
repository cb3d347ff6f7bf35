"""The public import path of `Event` and of the tables."""

from whyness_mixpanel.delivery_failure import DeliveryFailure
from whyness_mixpanel.event import Event, send_many
from whyness_mixpanel.privacy.suppression import Suppression
from whyness_mixpanel.tables import Log, Outbox, PersonLease, PersonState

__all__ = [
    "DeliveryFailure",
    "Event",
    "Log",
    "Outbox",
    "PersonLease",
    "PersonState",
    "Suppression",
    "send_many",
]
