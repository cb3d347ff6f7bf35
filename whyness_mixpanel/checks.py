"""System checks of the settings. They never touch the network; errors are only for contradictions."""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  (Django's name for it)
from django.db import connections, router

from whyness_mixpanel import backends, conf, sqs_hosts
from whyness_mixpanel.publishing.mode import is_testing, needs_drain, takes_second_writer

# What the extra [direct] installs, by the names under which it is imported.
DIRECT_MODULES = ("isal", "msgspec", "requests", "ua_parser", "ua_parser_rs")


def check_settings(app_configs: object, **kwargs: object) -> list[CheckMessage]:  # noqa: ARG001  (Django's signature)
    """Check that every setting can be read, and that no two contradict each other."""
    named = getattr(settings, conf.DICT_NAME, {})
    if not isinstance(named, Mapping):
        return [
            Error(
                f"{conf.DICT_NAME} is no dictionary.",
                hint=f'Write {conf.DICT_NAME} = {{"QUEUE_URL": "https://sqs…"}}.',
                id="whyness_mixpanel.E001",
            )
        ]
    wrong = list(_wrong_values())
    of_readable = [
        each
        for check in (_wrong_region, _no_queue, _another_host, _no_direct_way, _no_backend, _nobody_publishes)
        for each in ([] if wrong else check())
    ]
    return [
        *wrong,
        *_set_twice(),
        *of_readable,
        *_tenants_outboxes(),
        *_databases_without_outbox(),
        *_removed_settings(named),
        *_unknown_keys(named),
    ]


def check_discarding_backend(app_configs: object, **kwargs: object) -> list[CheckMessage]:  # noqa: ARG001  (as above)
    """Check, before a deployment, that events leave the process at all."""
    try:
        backend = conf.BACKEND.get()
    except conf.SettingError:
        return []  # E002 names it
    if backend not in conf.LOCAL_BACKENDS:
        return []
    return [
        Warning(
            f"The backend {backend} sends no event anywhere.",
            hint=f'Leave BACKEND out of {conf.DICT_NAME} in production: "sqs" is the default.',
            id="whyness_mixpanel.W003",
        )
    ]


def _wrong_values() -> Iterator[CheckMessage]:
    for setting in conf.SETTINGS:
        try:
            setting.get()
        except conf.SettingError as error:
            yield Error(
                f"{error.place} has a value that is not allowed.",
                hint=f"Set it to {error.allowed}, or leave it out.",
                id="whyness_mixpanel.E002",
            )


def _set_twice() -> Iterator[CheckMessage]:
    for setting in conf.SETTINGS:
        found = setting.in_settings()
        if len({str(value) for _, value in found}) > 1:
            yield Error(
                f"{' and '.join(place for place, _ in found)} differ.",
                hint=f"Keep one of them; {found[0][0]} is the one in force.",
                id="whyness_mixpanel.E003",
            )


def _wrong_region() -> Iterator[CheckMessage]:
    named = sqs_hosts.region_of(conf.QUEUE_URL.get())
    if named and named != conf.region():
        yield Error(
            "REGION is not the region that QUEUE_URL names.",
            hint=f'Leave REGION out of {conf.DICT_NAME}, or set it to "{named}".',
            id="whyness_mixpanel.E004",
        )


def _no_queue() -> Iterator[CheckMessage]:
    if conf.ENABLED.get() and conf.BACKEND.get() == "sqs" and not conf.QUEUE_URL.get():
        yield Warning(
            "There is no queue URL: events stay in the outbox, and nothing publishes them.",
            hint=f"Set QUEUE_URL in {conf.DICT_NAME}, or {conf.QUEUE_URL.environment} in the environment, "
            "to the stack's output QueueUrl.",
            id="whyness_mixpanel.W001",
        )


def _another_host() -> Iterator[CheckMessage]:
    if not conf.ENABLED.get():
        return
    queues = (conf.QUEUE_URL, conf.DEAD_LETTER_QUEUE_URL) if conf.BACKEND.get() == "sqs" else ()
    for setting in queues:
        if setting.get():
            yield from _called_host(setting.key, setting.get())


def _called_host(key: str, queue_url: str) -> Iterator[CheckMessage]:
    named = sqs_hosts.host_of(queue_url)
    region = conf.REGION.get() or sqs_hosts.region_of(queue_url) or conf.region()
    try:
        called = sqs_hosts.called_host(queue_url, region)
    except Exception as error:  # noqa: BLE001  (whatever boto3 says of its own variables and files)
        told = f"boto3 cannot tell which host it calls for {key}: {type(error).__name__}."
        hint = f"Set REGION in {conf.DICT_NAME}: the host {named} names no region."
        if region:
            hint = "Look at boto3's variables and files (AWS_PROFILE, AWS_ENDPOINT_URL_SQS, ~/.aws/config)."
    else:
        if called == named:
            return
        told = f"boto3 calls {called}, and not {named}, the host of {key}: it goes by the region, and by "
        told += "variables and files of its own."
        hint = f"To call {named}, set the environment variable AWS_ENDPOINT_URL_SQS to "
        hint += f"{sqs_hosts.origin_of(queue_url)}. If {called} is right, write it into {key}."
    yield Warning(told, hint=hint, id="whyness_mixpanel.W010")


def _no_backend() -> Iterator[CheckMessage]:
    backend = conf.BACKEND.get()
    if "." not in backend:
        return
    try:
        fault = "" if callable(backends.find(backend).publish) else "its publish is not a function"
    except Exception as error:  # noqa: BLE001  (the site's own module can raise anything)
        fault = type(error).__name__
    if fault:
        yield Warning(
            f"The backend {backend} cannot be used ({fault}): events stay in the outbox.",
            hint="BACKEND names a module, a class or an object that has publish(bodies, *, group).",
            id="whyness_mixpanel.W011",
        )


def _no_direct_way() -> Iterator[CheckMessage]:
    if not conf.ENABLED.get() or conf.BACKEND.get() != "mixpanel":
        return
    needed: tuple[conf.Setting[Any], ...] = (conf.PROJECT_ID, conf.SERVICE_ACCOUNT, conf.SERVICE_PASSWORD)
    unset = [each for each in needed if not each.get()]
    if unset:
        keys = " and ".join(each.key for each in unset)
        yield Warning(
            f"The backend mixpanel needs {keys}: events stay in the outbox, and nothing publishes them.",
            hint=f"Set {keys} in {conf.DICT_NAME}, or "
            f"{' and '.join(each.environment for each in unset)} in the environment.",
            id="whyness_mixpanel.W004",
        )
    missing = [name for name in DIRECT_MODULES if find_spec(name) is None]
    if missing:
        yield Warning(
            f"The backend mixpanel cannot import {', '.join(missing)}: events stay in the outbox.",
            hint=f"Run {backends.INSTALL_DIRECT}.",
            id="whyness_mixpanel.W005",
        )


def _nobody_publishes() -> Iterator[CheckMessage]:
    """Yield where no thread of this process may publish, though the settings say so."""
    if not conf.ENABLED.get() or conf.BACKEND.get() in conf.LOCAL_BACKENDS or conf.RELAY.get() == "command":
        return
    if not needs_drain():
        yield from _sqlite_with_one_writer()
    elif not is_testing():
        yield Warning(
            "uWSGI runs without threads: events stay in the outbox, and nothing publishes them.",
            hint="Set enable-threads in the configuration of uWSGI; or set RELAY in "
            f'{conf.DICT_NAME} to "command", and run manage.py mixpanel_outbox drain --loop.',
            id="whyness_mixpanel.W008",
        )


def _sqlite_with_one_writer() -> Iterator[CheckMessage]:
    for alias in connections:
        connection = connections[alias]
        is_file = connection.vendor == "sqlite" and not connection.is_in_memory_db()  # type: ignore[attr-defined]
        if not is_file or takes_second_writer(connection.vendor, connection.settings_dict):
            continue
        if router.allow_migrate(alias, "whyness_mixpanel", model_name="outbox"):
            yield Warning(
                f"The SQLite database {alias} begins transactions without taking the write lock: events are "
                "published in the page's own thread after its commit, and a page waits for the queue.",
                hint=f'Add to DATABASES["{alias}"]: "OPTIONS": {{"transaction_mode": "IMMEDIATE"}}.',
                id="whyness_mixpanel.W007",
            )


def _databases_without_outbox() -> Iterator[CheckMessage]:
    for alias in connections:
        vendor, features = connections[alias].vendor, connections[alias].features
        is_able = vendor in {"postgresql", "sqlite"} and features.can_return_rows_from_bulk_insert
        is_none = connections[alias].settings_dict["ENGINE"] == "django.db.backends.dummy"
        if not (is_able or is_none) and router.allow_migrate(alias, "whyness_mixpanel", model_name="outbox"):
            yield Error(
                f"The database {alias} cannot hold the outbox: use PostgreSQL, or SQLite from 3.35 on.",
                hint="Keep the app out of it by a router's allow_migrate, and route Outbox to another one.",
                id="whyness_mixpanel.E005",
            )


def _tenants_outboxes() -> Iterator[CheckMessage]:
    """Yield where tenants have schemas of their own (django-tenants), and the outbox is in those."""
    shared, of_tenants = getattr(settings, "SHARED_APPS", None), getattr(settings, "TENANT_APPS", ())
    if shared is None:
        return
    config = apps.get_app_config("whyness_mixpanel")
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    if names.isdisjoint(shared) or not names.isdisjoint(of_tenants):
        yield Warning(
            "The pages of tenants do not use the outbox that the relay reads, that of the public schema.",
            hint=f'Add "{config.name}" to SHARED_APPS, and take it out of TENANT_APPS.',
            id="whyness_mixpanel.W009",
        )


def _removed_settings(named: Mapping[Any, object]) -> Iterator[CheckMessage]:
    for key, why in conf.REMOVED.items():
        variable = f"WHYNESS_MIXPANEL_{key}"
        places = [f'{conf.DICT_NAME}["{key}"]'] if key in named else []
        places += [f"the environment variable {variable}"] if variable in os.environ else []
        if places:
            yield Warning(
                f"{' and '.join(places)}: this setting is gone. {why}",
                hint="Remove it.",
                id="whyness_mixpanel.W006",
            )


def _unknown_keys(named: Mapping[Any, object]) -> Iterator[CheckMessage]:
    known = [setting.key for setting in conf.SETTINGS]
    for key in sorted(str(key) for key in named.keys() - set(known) - conf.REMOVED.keys()):
        near = get_close_matches(key.upper(), known, n=1)
        yield Warning(
            f'{conf.DICT_NAME}["{key}"] is no setting of this app.',
            hint=f"Did you mean {near[0]}?" if near else f"Settings are: {', '.join(known)}.",
            id="whyness_mixpanel.W002",
        )
