"""Who publishes what this process writes: its relay thread, a drain, or the thread that commits."""

import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel import conf
from whyness_mixpanel.publishing.condition import Condition

_uwsgi = Condition()


class Mode(Enum):
    """Who publishes."""

    THREAD = "the relay's thread"
    COMMAND = "mixpanel_outbox drain"
    CALLER = "the thread that commits"


def mode_of(connection: BaseDatabaseWrapper) -> Mode:
    """Return who publishes the rows written on a connection."""
    if _in_force(conf.BACKEND) in conf.LOCAL_BACKENDS:
        return Mode.CALLER
    if needs_drain() or _is_in_memory(connection):
        return Mode.COMMAND
    return Mode.THREAD if takes_second_writer(connection.vendor, connection.settings_dict) else Mode.CALLER


def needs_drain() -> bool:
    """Whether this process may not run the relay thread."""
    return _in_force(conf.RELAY) != "thread" or is_testing() or _is_uwsgi_without_threads()


def takes_second_writer(vendor: str, settings: Mapping[str, Any]) -> bool:
    """Whether a relay may write beside pages: on SQLite only if transactions lock from their start."""
    mode = settings.get("OPTIONS", {}).get("transaction_mode") or ""
    return vendor != "sqlite" or str(mode).upper() in {"IMMEDIATE", "EXCLUSIVE"}


def is_testing() -> bool:
    """Whether Django's test environment is set up."""
    utils = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(utils._TestState, "saved_data")  # noqa: SLF001  (Django has no other word for it)


def _in_force(setting: conf.Setting[str]) -> str:
    """Return a setting's value, `""` if it is invalid: a system check and the relay report that."""
    try:
        return setting.get()
    except conf.SettingError:
        return ""


def _is_in_memory(connection: Any) -> bool:
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())


def _is_uwsgi_without_threads() -> bool:
    uwsgi: Any = sys.modules.get("uwsgi")
    options = {str(key, "ascii") if isinstance(key, bytes) else key for key in getattr(uwsgi, "opt", {})}
    # An attribute of uWSGI 2.0.31; from 2.0.27 on threads are on without any option.
    has_threads = getattr(uwsgi, "has_threads", options & {"enable-threads", "threads"})
    if uwsgi is None or has_threads:
        return False
    _uwsgi.begin(
        "uWSGI runs without threads, so this process publishes nothing. Set enable-threads, "
        "or run 'manage.py mixpanel_outbox drain --loop'."
    )
    return True
