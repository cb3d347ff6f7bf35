"""Django for the tests that need it: import this from a conftest, and take the fixtures by name."""

import atexit
import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import django
import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
django.setup()

from django.core.management.color import no_style  # noqa: E402  (Django must be set up first)
from django.db import connections  # noqa: E402
from django.test.utils import (  # noqa: E402
    override_settings,
    setup_databases,
    setup_test_environment,
    teardown_databases,
)

from whyness_mixpanel import counters  # noqa: E402
from whyness_mixpanel.backends import locmem  # noqa: E402
from whyness_mixpanel.models import Outbox  # noqa: E402
from whyness_mixpanel.publishing import caller, memory, send  # noqa: E402
from whyness_mixpanel.publishing.condition import Condition  # noqa: E402

# Signal handlers fill these after `migrate`. The command `flush` empties them too, and filling them again
# takes 80 times as long as all the rest.
_MIGRATIONS_FILL = {"auth_permission", "django_content_type"}


@functools.cache  # not a session fixture: each conftest that names one would have its own
def make_databases() -> None:
    """Make two databases with every table, in memory, of this process alone and until it ends."""
    setup_test_environment()
    atexit.register(teardown_databases, setup_databases(verbosity=0, interactive=False), verbosity=0)


@pytest.fixture
def db() -> Iterator[None]:
    """The databases, emptied afterwards. Transactions are real: nothing is wrapped around the test."""
    make_databases()
    yield
    for connection in connections.all():
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        emptied = [name for name in names if name not in _MIGRATIONS_FILL]
        flush = connection.ops.sql_flush(no_style(), emptied, reset_sequences=True, allow_cascade=False)
        connection.ops.execute_sql_flush(flush)


@pytest.fixture(autouse=True)
def pristine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts at zero, nothing published yet, no setting in the environment."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MIXPANEL_", "WHYNESS_")):
            monkeypatch.delenv(name)

    caller.start_afresh()
    memory.start_afresh()
    send.unwritable = Condition()
    counters.reset()
    locmem.messages.clear()
    locmem.sent.clear()


def write(rows: Sequence[Outbox], using: str = "default") -> None:
    """Put rows into the outbox."""
    Outbox.objects.using(using).bulk_create(rows)


def override(**chosen: object) -> override_settings:
    """Return a context in which WHYNESS_MIXPANEL is `chosen`, with the backend locmem unless chosen too."""
    return override_settings(WHYNESS_MIXPANEL={"BACKEND": "locmem"} | chosen)


def published() -> list[dict[str, Any]]:
    """Return the events that locmem has, as they are on the wire."""
    return [event for body in locmem.messages for event in json.loads(body)["events"]]
