"""Django settings of the tests: the example's apps on two databases in memory, and no queue."""

SECRET_KEY = "not secret: tests only"
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
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
STATIC_URL = "/static/"
ROOT_URLCONF = "example.urls"
_PROCESSORS = ("template.context_processors.request", "contrib.auth.context_processors.auth")
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                *(f"django.{name}" for name in _PROCESSORS),
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# By the names that Django gives them in tests: whoever connects before that, without the fixture `db`, has
# the databases that all threads have, and none of its own.
DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"file:memorydb_{alias}?mode=memory&cache=shared",
    }
    for alias in ("default", "other")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
WHYNESS_MIXPANEL = {"BACKEND": "locmem"}
