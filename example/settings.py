"""Settings of the example, from the environment. See README.md in this directory."""

import os
import secrets
from pathlib import Path

HERE = Path(__file__).resolve().parent

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(50)
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "[::1]", "localhost"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "example.whyness_django",
    "example.whyness_crm",
    "example.pages",
    "whyness_mixpanel",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",  # refuses hosts that are not in ALLOWED_HOSTS
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Only the admin has sessions and cookies. Browsers send none to the example's own pages, so that another site
# cannot abuse them. The names are special because browsers share cookies among all ports of a host.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "example_session", "example_csrf"
ROOT_URLCONF = "example.urls"
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("EXAMPLE_DATABASE") or str(HERE / "example.sqlite3"),
        "OPTIONS": {
            # Many threads write: a transaction waits for its turn at its beginning, and does not fail later.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

# The queue's URL comes from the environment, WHYNESS_MIXPANEL_QUEUE_URL. Without it, messages are printed.
WHYNESS_MIXPANEL = {
    # User 1 and contact 1 stand for anonymous visitors: they have no profile.
    "ANONYMOUS_USERS": ["1", "p:1"],
    **({} if os.environ.get("WHYNESS_MIXPANEL_QUEUE_URL") else {"BACKEND": "console"}),
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING"},
        "whyness_mixpanel": {"handlers": ["console"], "level": "INFO"},
    },
}
