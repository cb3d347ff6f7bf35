"""The app in Django's admin: failures, outbox, refused profiles, the old log. Loaded only by the admin."""

from whyness_mixpanel.admin.failure_admin import DeliveryFailureAdmin
from whyness_mixpanel.admin.log import LogAdmin
from whyness_mixpanel.admin.outbox_admin import OutboxAdmin
from whyness_mixpanel.admin.people_admin import PersonStateAdmin

__all__ = ["DeliveryFailureAdmin", "LogAdmin", "OutboxAdmin", "PersonStateAdmin"]
