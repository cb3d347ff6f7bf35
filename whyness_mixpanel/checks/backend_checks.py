"""Checks of the backend, and of the process that publishes."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from whyness_mixpanel import backends, conf
from whyness_mixpanel.checks.problem import Problem
from whyness_mixpanel.publishing.mode import is_testing, needs_drain

# What the extra [direct] installs, by the names under which it is imported.
DIRECT_MODULES = ("isal", "msgspec", "requests", "ua_parser", "ua_parser_rs")


def sends_nothing() -> Iterator[Problem]:
    """With `--deploy`: the backend does not send events to Mixpanel."""
    try:
        backend = conf.BACKEND.get()
    except conf.SettingError:
        return  # E002 names it
    if backend in conf.LOCAL_BACKENDS:
        yield Problem(
            f"The backend {backend} does not send events to Mixpanel.",
            'Remove BACKEND in production, to use the default, "sqs".',
        )


def direct_settings_missing() -> Iterator[Problem]:
    """The backend `mixpanel` has no service account or no `PROJECT_ID`, so events stay in the outbox."""
    needed: tuple[conf.Setting[Any], ...] = (conf.PROJECT_ID, conf.SERVICE_ACCOUNT, conf.SERVICE_PASSWORD)
    unset = [setting for setting in needed if not setting.get()] if _is_direct() else []
    if unset:
        keys = " and ".join(setting.key for setting in unset)
        yield Problem(
            f"The backend mixpanel needs {keys}, so events stay in the outbox and are not published.",
            f"Set {keys} in {conf.DICT_NAME}, or "
            f"{' and '.join(setting.environment for setting in unset)} in the environment.",
        )


def direct_packages_missing() -> Iterator[Problem]:
    """The backend `mixpanel` lacks packages of the extra `[direct]`, so events stay in the outbox."""
    missing = [name for name in DIRECT_MODULES if find_spec(name) is None] if _is_direct() else []
    if missing:
        yield Problem(
            f"The backend mixpanel cannot import {', '.join(missing)}, so events stay in the outbox and are "
            "not published.",
            f"Run {backends.INSTALL_DIRECT}.",
        )


def unusable_backend() -> Iterator[Problem]:
    """A `BACKEND` of your own cannot be imported or has no `publish`, so events stay in the outbox."""
    backend = conf.BACKEND.get()
    if "." not in backend:
        return
    try:
        fault = "" if callable(backends.find(backend).publish) else "its publish is not a function"
    except Exception as error:  # noqa: BLE001  (the site's own module can raise anything)
        fault = type(error).__name__
    if fault:
        yield Problem(
            f"The backend {backend} cannot be used ({fault}), so events stay in the outbox and are not "
            "published.",
            "Set BACKEND to the dotted path of a module, class or object that has publish(bodies, *, group).",
        )


def uwsgi_without_threads() -> Iterator[Problem]:
    """A uWSGI without threads runs the site, and `RELAY` is `thread`, so events stay in the outbox."""
    if site_publishes() and needs_drain() and not is_testing():
        yield Problem(
            "uWSGI runs without threads, so events stay in the outbox and are not published.",
            f"Set enable-threads in the configuration of uWSGI; or set RELAY in {conf.DICT_NAME} to "
            '"command", and run manage.py mixpanel_outbox drain --loop.',
        )


def site_publishes() -> bool:
    """Whether the processes of the site shall publish its events themselves."""
    is_local = conf.BACKEND.get() in conf.LOCAL_BACKENDS
    return conf.ENABLED.get() and not is_local and conf.RELAY.get() != "command"


def _is_direct() -> bool:
    return conf.ENABLED.get() and conf.BACKEND.get() == "mixpanel"
