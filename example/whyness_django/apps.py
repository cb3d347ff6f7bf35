"""Configuration of the app that logs activity."""

from typing import Any

from django.apps import AppConfig

from whyness_mixpanel.people import Profile, register


def user_profile(row: Any) -> dict[str, Any]:
    """Return what Mixpanel shows of a user."""
    return {"$name": row.name or None, "uid": row.uid}


class WhynessDjangoConfig(AppConfig):
    """People and what they do on the site."""

    name = "example.whyness_django"
    label = "whyness_django"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the users' profiles."""
        register(
            Profile(name="user", model="whyness_django.AuthUser", build=user_profile, personal=("$name",))
        )
