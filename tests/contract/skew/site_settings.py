"""Settings of a site for any version of the app; the environment names its database and its queue."""

import os

SECRET_KEY = "not secret: tests only"
INSTALLED_APPS = ["whyness_mixpanel"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SKEW_DATABASE"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
WHYNESS_MIXPANEL = {"QUEUE_URL": os.environ["SKEW_QUEUE_URL"], "REGION": "eu-west-1"}
