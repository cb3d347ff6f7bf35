"""Checks of the databases that hold the outbox."""

from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.db import connections, router

from whyness_mixpanel.checks.backend_checks import site_publishes
from whyness_mixpanel.checks.problem import Problem
from whyness_mixpanel.publishing.mode import needs_drain, takes_second_writer


def sqlite_with_one_writer() -> Iterator[Problem]:
    """A SQLite database lacks `"transaction_mode": "IMMEDIATE"`, so pages wait for the queue."""
    if not site_publishes() or needs_drain():
        return
    for alias in connections:
        connection = connections[alias]
        is_file = connection.vendor == "sqlite" and not connection.is_in_memory_db()  # type: ignore[attr-defined]
        if is_file and not takes_second_writer("sqlite", connection.settings_dict) and _holds_outbox(alias):
            yield Problem(
                f"The SQLite database {alias} begins transactions without the write lock, so each page "
                "publishes its events itself after its commit, and waits for the queue.",
                f'Add to DATABASES["{alias}"]: "OPTIONS": {{"transaction_mode": "IMMEDIATE"}}.',
            )


def unable_to_hold_outbox() -> Iterator[Problem]:
    """A database that the app is migrated to is neither PostgreSQL nor SQLite from 3.35 on."""
    for alias in connections:
        vendor, features = connections[alias].vendor, connections[alias].features
        is_able = vendor in {"postgresql", "sqlite"} and features.can_return_rows_from_bulk_insert
        is_dummy = connections[alias].settings_dict["ENGINE"] == "django.db.backends.dummy"
        if not (is_able or is_dummy) and _holds_outbox(alias):
            yield Problem(
                f"The database {alias} cannot hold the outbox. It needs PostgreSQL, or SQLite from 3.35 on.",
                "Keep the app out of it with a router's allow_migrate, and route Outbox to another database.",
            )


def outbox_of_tenants() -> Iterator[Problem]:
    """Tenants have schemas of their own, and the app is not in `SHARED_APPS` alone."""
    shared, of_tenants = getattr(settings, "SHARED_APPS", None), getattr(settings, "TENANT_APPS", ())
    if shared is None:
        return
    config = apps.get_app_config("whyness_mixpanel")
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    if names.isdisjoint(shared) or not names.isdisjoint(of_tenants):
        yield Problem(
            "The relay reads the outbox of the public schema only, and tenants' pages do not write to it, so "
            "their events are not published.",
            f'Add "{config.name}" to SHARED_APPS, and remove it from TENANT_APPS.',
        )


def _holds_outbox(alias: str) -> bool:
    return router.allow_migrate(alias, "whyness_mixpanel", model_name="outbox")
