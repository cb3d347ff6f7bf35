"""The public import path of `Event` and of the tables `Outbox`, `Suppression` and `Log`."""

from whyness_mixpanel.delivery_failure import DeliveryFailure
from whyness_mixpanel.event import Event, send_many
from whyness_mixpanel.privacy.suppression import Suppression
from whyness_mixpanel.tables import LastAudit, Log, Outbox

__all__ = ["DeliveryFailure", "Event", "LastAudit", "Log", "Outbox", "Suppression", "send_many"]
