"""Configuration of the app that logs clicks."""

from typing import Any

from django.apps import AppConfig

from whyness_mixpanel.people import Profile, register


def prospect_profile(row: Any) -> dict[str, Any]:
    """Return what Mixpanel shows of a prospect: no name and no address, before the person has registered."""
    return {"is_prospect": row.is_prospect, "is_registered": row.is_registered}


class WhynessCrmConfig(AppConfig):
    """Contacts, links and clicks."""

    name = "example.whyness_crm"
    label = "whyness_crm"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the prospects' profiles."""
        register(Profile(name="prospect", model="whyness_crm.Contact", prefix="p:", build=prospect_profile))
