import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import checks
from django.db import connections, router
from django.test import override_settings

from tests.django_support import override
from whyness_mixpanel import conf, setting
from whyness_mixpanel.checks import CHECKS, backend_checks, database_checks
from whyness_mixpanel.publishing import mode

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
QUEUE = {"BACKEND": "sqs", "QUEUE_URL": QUEUE_URL}
DIRECT = {"BACKEND": "mixpanel", "SERVICE_ACCOUNT": "a", "SERVICE_PASSWORD": "b"}
IMMEDIATE = {"transaction_mode": "IMMEDIATE"}


def run_checks(*, deploy: bool = False) -> dict[str, checks.CheckMessage]:
    """Return the app's own messages by id."""
    messages = checks.run_checks(include_deployment_checks=deploy)
    return {
        str(message.id): message for message in messages if str(message.id).startswith("whyness_mixpanel.")
    }


@dataclass(frozen=True)
class Site:
    """A site, and what the checks say about it.

    Args:
        chosen: the settings in WHYNESS_MIXPANEL.
        says: the id, a part of the message, and a part of the hint; empty where nothing is wrong.
        django: other Django settings.
        environment: variables.
        deploy: whether the checks run with --deploy.
        missing: modules that are not installed.
        uwsgi: the options of the uWSGI that it runs under.
        sqlite: the options of its database, which then is SQLite in a file.
        vendor: of that database.
        routed: whether its router allows the app's tables in that database.
    """

    chosen: Mapping[str, Any]
    says: tuple[str, str, str] = ("", "", "")
    django: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    deploy: bool = False
    missing: str = ""
    uwsgi: Mapping[str, object] | None = None
    sqlite: Mapping[str, str] | None = None
    vendor: str = "sqlite"
    routed: bool = True


def shared(*apps: str, tenants: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Return the settings of django-tenants."""
    return {"SHARED_APPS": ("django_tenants", *apps), "TENANT_APPS": ("shop", *tenants)}


APP, CONFIG = "whyness_mixpanel", "whyness_mixpanel.apps.WhynessMixpanelConfig"
TO_SHARED = ("W009", "reads the outbox of the public schema only", 'Add "whyness_mixpanel" to SHARED_APPS')
NO_THREADS = ("W008", "uWSGI runs without threads", "enable-threads")
NOT_IMMEDIATE = ("W007", "SQLite database default", '"transaction_mode": "IMMEDIATE"')

SITES = [
    Site(QUEUE, deploy=True),
    Site({**QUEUE, "RELAY": "thread"}),
    Site({**QUEUE, "RELAY": "command"}),
    Site(DIRECT, deploy=True),
    # Values.
    Site({"READ_TIMEOUT_S": 0}, ("E002", "READ_TIMEOUT_S", "above 0, at most 60")),
    Site({"RELAY": "threads"}, ("E002", '["RELAY"]', "one of thread, command")),
    Site({"RELAY": False}, ("E002", '["RELAY"]', "one of thread, command")),
    Site(
        {},
        ("E002", "the environment variable WHYNESS_MIXPANEL_RELAY", "one of thread, command"),
        environment={"WHYNESS_MIXPANEL_RELAY": "off"},
    ),
    Site({}, environment={"WHYNESS_MIXPANEL_RELAY": ""}),
    Site({"BACKEND": "sqqs"}, ("E002", "BACKEND", "one of sqs"), deploy=True),
    Site(
        {"PROJECT_ID": 6},
        ("E003", "MIXPANEL_PROJECT_ID have different", "Keep one"),
        {"MIXPANEL_PROJECT_ID": 5},
    ),
    Site({"PROJECT_ID": "5"}, django={"MIXPANEL_PROJECT_ID": 5}),
    Site({"PROJECT_ID": 6}, environment={"MIXPANEL_PROJECT_ID": "7"}),  # the order of look-up
    Site({**QUEUE, "REGION": "us-east-1"}, ("E004", "REGION is us-east-1", '"eu-west-1"')),
    # What is missing.
    Site({"BACKEND": "sqs"}, ("W001", "QUEUE_URL is not set", "WHYNESS_MIXPANEL_QUEUE_URL")),
    Site({"BACKEND": "sqs"}, environment={"WHYNESS_MIXPANEL_QUEUE_URL": QUEUE_URL}),
    Site({"BACKEND": "sqs", "ENABLED": False}),
    Site({"QUEUE_ULR": "x"}, ("W002", '"QUEUE_ULR"', "Did you mean QUEUE_URL?")),
    Site({"FROBNICATE": 1}, ("W002", '"FROBNICATE"', "ANONYMOUS_USERS")),
    *(
        Site({"BACKEND": name}, ("W003", name, "Remove BACKEND"), deploy=True)
        for name in sorted(conf.LOCAL_BACKENDS)
    ),
    *(Site({"BACKEND": name}) for name in sorted(conf.LOCAL_BACKENDS)),
    Site({**DIRECT, "SERVICE_ACCOUNT": ""}, ("W004", "needs SERVICE_ACCOUNT,", "MIXPANEL_SERVICE_ACCOUNT")),
    Site(
        {**DIRECT, "SERVICE_PASSWORD": ""}, ("W004", "needs SERVICE_PASSWORD,", "MIXPANEL_SERVICE_PASSWORD")
    ),
    Site(DIRECT, ("W005", "msgspec", "[direct]"), missing="msgspec"),
    # What older versions had.
    Site({"OUTBOX": "always"}, ("W006", '["OUTBOX"] is not a setting any more. Every event', "Remove it")),
    Site({"OUTBOX": "on_failure"}, ("W006", '["OUTBOX"] is not a setting any more', "Remove it")),
    Site({"PUBLISH_BUDGET_MS": 500}, ("W006", "No page waits", "Remove it")),
    *(
        Site(
            {},
            ("W006", f"the environment variable {name} is not a setting", "Remove it"),
            environment={name: "1"},
        )
        for name in ("WHYNESS_MIXPANEL_OUTBOX", "WHYNESS_MIXPANEL_PUBLISH_BUDGET_MS")
    ),
    # SQLite.
    Site(QUEUE, NOT_IMMEDIATE, sqlite={}),
    Site(QUEUE, NOT_IMMEDIATE, sqlite={"transaction_mode": "DEFERRED"}),
    Site(DIRECT, NOT_IMMEDIATE, sqlite={}),
    Site(QUEUE, sqlite={"transaction_mode": "immediate"}),
    Site(QUEUE, sqlite={"transaction_mode": "EXCLUSIVE"}),
    Site({"BACKEND": "console"}, sqlite={}),
    Site({**QUEUE, "ENABLED": False}, sqlite={}),
    Site({**QUEUE, "RELAY": "command"}, sqlite={}),
    Site(QUEUE, sqlite={}, environment={"WHYNESS_MIXPANEL_RELAY": "command"}),
    Site(QUEUE, sqlite={}, routed=False),
    # Databases that lack what the outbox needs.
    Site(QUEUE, ("E005", "default cannot hold the outbox", "allow_migrate"), sqlite={}, vendor="mysql"),
    Site(QUEUE, sqlite={}, vendor="oracle", routed=False),
    # The queue's host, and a backend of the site's own.
    Site(
        QUEUE,
        ("W010", "boto3 calls 127.0.0.1:9", "AWS_ENDPOINT_URL_SQS"),
        environment={"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9"},
    ),
    Site({"BACKEND": "nowhere.at_all"}, ("W011", "nowhere.at_all cannot be used", "publish(bodies")),
    # uWSGI.
    Site(QUEUE, NO_THREADS, uwsgi={"http": b":80"}, sqlite=IMMEDIATE),
    Site(QUEUE, NO_THREADS, uwsgi={}, sqlite={}),
    Site(QUEUE, uwsgi={"enable-threads": True}, sqlite=IMMEDIATE),
    Site({**QUEUE, "RELAY": "command"}, uwsgi={}, sqlite=IMMEDIATE),
    Site({"BACKEND": "dummy"}, uwsgi={}, sqlite=IMMEDIATE),
    # Tenants with schemas of their own.
    Site(QUEUE, django=shared(APP)),
    Site(QUEUE, django=shared(CONFIG)),
    Site(QUEUE, TO_SHARED, shared()),
    Site(QUEUE, TO_SHARED, shared(tenants=(APP,))),
    Site(QUEUE, TO_SHARED, shared(APP, tenants=(APP,))),
    Site(QUEUE, TO_SHARED, shared(APP, tenants=(CONFIG,))),
    Site(QUEUE, TO_SHARED, shared("whyness_mixpanel_reports")),
]


@pytest.mark.parametrize("site", SITES)
def test_each_fault_has_its_id_and_its_remedy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what is wrong, the hint what to do; a sound site gets no message."""
    be(site, monkeypatch)

    with override(**site.chosen), override_settings(**site.django):
        messages = run_checks(deploy=site.deploy)

    id_, in_message, in_hint = site.says
    assert list(messages) == ([f"whyness_mixpanel.{id_}"] if id_ else [])
    for message in messages.values():
        assert in_message in message.msg
        assert in_hint in str(message.hint)
        assert message.msg.endswith(".")
        assert str(message.hint).endswith((".", "?"))
        assert message.is_serious() == id_.startswith("E")


def be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process one of the site's."""
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    if site.missing:
        monkeypatch.setattr(backend_checks, "DIRECT_MODULES", (f"{site.missing}_that_nobody_has",))
    if site.uwsgi is not None:
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=site.uwsgi))
    if site.sqlite is not None:
        database = connections["default"].copy()
        database.vendor = site.vendor
        database.settings_dict |= {"NAME": "db.sqlite3", "OPTIONS": site.sqlite}
        monkeypatch.setattr(database_checks, "connections", {"default": database})
        for module in (backend_checks, mode):  # where something is published
            monkeypatch.setattr(module, "is_testing", lambda: False)
    monkeypatch.setattr(router, "routers", [] if site.routed else [_Elsewhere()])


class _Elsewhere:
    """A router that allows no app in any database."""

    def allow_migrate(self, *_: object, **__: object) -> bool:
        """Say no."""
        return False


def test_a_value_that_is_not_a_dictionary_is_an_error() -> None:
    """E001: otherwise every setting would silently be its default."""
    with override_settings(WHYNESS_MIXPANEL=["QUEUE_URL"]):
        (message,) = run_checks().values()

    assert message.id == "whyness_mixpanel.E001"
    assert message.msg == 'WHYNESS_MIXPANEL must be a dictionary, for example {"QUEUE_URL": "https://sqs…"}.'


def test_every_wrong_value_is_named_at_once() -> None:
    """E002 is raised once for each setting."""
    with override(READ_TIMEOUT_S=0, CONNECT_TIMEOUT_S=0):
        messages = [message.msg for message in checks.run_checks() if message.id == "whyness_mixpanel.E002"]

    assert len(messages) == 2


def test_the_direct_backend_needs_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """W004: without Whyness's tables, PROJECT_ID has no default."""
    account = {"SERVICE_ACCOUNT": "a", "SERVICE_PASSWORD": "b"}
    with override(BACKEND="mixpanel", **account):
        with_tables = run_checks()
        monkeypatch.setattr(setting, "_WHYNESS_APPS", frozenset())
        without = run_checks()

    assert with_tables == {}
    assert "needs PROJECT_ID," in without["whyness_mixpanel.W004"].msg
    assert "MIXPANEL_PROJECT_ID in the environment" in str(without["whyness_mixpanel.W004"].hint)


def test_no_check_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment may run its checks where nothing can be reached."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a check opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    with override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        run_checks(deploy=True)


def test_every_id_is_tried_and_explained() -> None:
    """The table above has a site for each check, and each has a sentence for the table in the docs."""
    names = [check.name for check in CHECKS]

    assert set(names) == {"E001"} | {site.says[0] for site in SITES if site.says[0]}
    assert sorted(names) == [*(f"E{n:03}" for n in range(1, 6)), *(f"W{n:03}" for n in range(1, 12))]
    assert [check.name for check in CHECKS if not str(check.find.__doc__).endswith(".")] == []


def test_each_setting_that_is_gone_is_tried() -> None:
    """In the dictionary and in the environment."""
    gone = [site for site in SITES if site.says[0] == "W006"]

    assert {name for site in gone for name in site.chosen} == set(conf.REMOVED)
    assert {name for site in gone for name in site.environment} == {
        f"{conf.DICT_NAME}_{name}" for name in conf.REMOVED
    }
