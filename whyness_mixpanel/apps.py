"""The app's configuration: registers the system checks and a guard of the migrations."""

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import pre_migrate

from whyness_mixpanel.checks import check_discarding_backend, check_settings
from whyness_mixpanel.reversal import refuse_reversal


class WhynessMixpanelConfig(AppConfig):
    """The app, under the name that imports and migrations of older versions use."""

    name = "whyness_mixpanel"
    verbose_name = "Mixpanel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and the guard."""
        checks.register(check_settings)
        checks.register(check_discarding_backend, deploy=True)
        pre_migrate.connect(refuse_reversal, sender=self, dispatch_uid="whyness_mixpanel")
