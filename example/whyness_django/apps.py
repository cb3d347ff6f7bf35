"""Configuration of the app that logs activity."""

from django.apps import AppConfig


class WhynessDjangoConfig(AppConfig):
    """People and what they do on the site."""

    name = "example.whyness_django"
    label = "whyness_django"
    default_auto_field = "django.db.models.BigAutoField"
