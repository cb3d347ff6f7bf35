"""The app in Django's admin: delivery failures, the outbox and the old log. Loaded only by the admin."""

from whyness_mixpanel.admin.failure_admin import DeliveryFailureAdmin
from whyness_mixpanel.admin.log import LogAdmin
from whyness_mixpanel.admin.outbox_admin import OutboxAdmin

__all__ = ["DeliveryFailureAdmin", "LogAdmin", "OutboxAdmin"]
