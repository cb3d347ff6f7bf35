"""Configuration of the app that logs clicks."""

from django.apps import AppConfig


class WhynessCrmConfig(AppConfig):
    """Contacts, links and clicks."""

    name = "example.whyness_crm"
    label = "whyness_crm"
    default_auto_field = "django.db.models.BigAutoField"
