"""Who publishes what this process writes: a thread of its own, a drain, or whoever commits."""

import sys
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
    """Return who publishes what is written on a connection."""
    if _backend() in conf.LOCAL_BACKENDS:
        return Mode.CALLER
    if needs_drain() or _is_in_memory(connection):
        return Mode.COMMAND
    return Mode.THREAD if takes_second_writer(connection.vendor, connection.settings_dict) else Mode.CALLER


def needs_drain() -> bool:
    """Whether no thread may live in this process."""
    return _relay() == "command" or is_testing() or _is_uwsgi_without_threads()


def takes_second_writer(vendor: str, settings: dict[str, Any]) -> bool:
    """Whether a relay may write while pages do: on SQLite only where transactions take turns."""
    if vendor != "sqlite":
        return True
    mode = settings.get("OPTIONS", {}).get("transaction_mode") or ""
    return str(mode).upper() in {"IMMEDIATE", "EXCLUSIVE"}


def is_testing() -> bool:
    """Whether Django's test environment is set up."""
    utils = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(utils._TestState, "saved_data")  # noqa: SLF001  (Django has no other word for it)


def _is_in_memory(connection: Any) -> bool:
    return bool(connection.vendor == "sqlite" and connection.is_in_memory_db())


def _backend() -> str:
    try:
        return conf.BACKEND.get()
    except conf.SettingError:
        return ""  # the relay says so; until it is set right the rows wait


def _relay() -> str:
    try:
        return conf.RELAY.get()
    except conf.SettingError:
        return "command"


def _is_uwsgi_without_threads() -> bool:
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    options = {str(key, "ascii") if isinstance(key, bytes) else key for key in getattr(uwsgi, "opt", {})}
    if options & {"enable-threads", "threads"}:
        return False
    _uwsgi.begin(
        "uWSGI runs without threads, so that nothing publishes here: set enable-threads, "
        "or run 'manage.py mixpanel_outbox drain --loop'."
    )
    return True
