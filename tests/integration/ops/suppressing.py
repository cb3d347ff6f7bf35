"""Settings of a Django site that has suppressed user 7."""

import os

from tests.django_settings import *  # noqa: F403  (settings on top of settings)


def opted_out(users: frozenset[str]) -> set[str]:
    """Return whom nothing may be sent about."""
    return {"7"} & users


DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SUPPRESSING_DATABASE"]}}
WHYNESS_MIXPANEL = {"BACKEND": "locmem", "OPT_OUT": f"{__name__}.opted_out"}
