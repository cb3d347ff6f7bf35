"""Settings of the example on a server of PostgreSQL."""

import os

from example.settings import *  # noqa: F403  (all but the database)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": os.environ["BENCH_POSTGRES_PORT"],
        "NAME": "postgres",
        "USER": "postgres",
    }
}
