"""The app's configuration: it registers the system checks and does nothing else."""

from django.apps import AppConfig
from django.core import checks

from whyness_mixpanel.checks import check_discarding_backend, check_settings


class WhynessMixpanelConfig(AppConfig):
    """The app under its old name, so that imports and migrations keep working."""

    name = "whyness_mixpanel"
    verbose_name = "Mixpanel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        checks.register(check_settings)
        checks.register(check_discarding_backend, deploy=True)
