"""Django settings of the tests: the example's apps on two databases in memory, and no queue."""

SECRET_KEY = "not secret: tests only"
INSTALLED_APPS = [
    "example.whyness_django",
    "example.whyness_crm",
    "example.pages",
    "whyness_mixpanel",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "example.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for alias in ("default", "other")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
WHYNESS_MIXPANEL = {"BACKEND": "locmem"}
