import socket
from typing import Any

import pytest
from django.core import checks
from django.db import connections
from django.test import override_settings

from tests.django_support import override
from whyness_mixpanel import checks as check_functions
from whyness_mixpanel import conf

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"


def run_checks(*, deploy: bool = False) -> dict[str, checks.CheckMessage]:
    """Return the app's own messages by id."""
    found = checks.run_checks(include_deployment_checks=deploy)
    return {str(message.id): message for message in found if str(message.id).startswith("whyness_mixpanel.")}


def test_good_settings_raise_no_check() -> None:
    """A site that names its queue has nothing to read, not even before a deployment."""
    with override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        assert run_checks(deploy=True) == {}


@pytest.mark.parametrize(
    ("chosen", "expected_id", "in_message", "in_hint"),
    [
        ({"READ_TIMEOUT_S": 0}, "E002", "READ_TIMEOUT_S", "above 0, at most 60"),
        ({"QUEUE_URL": QUEUE_URL, "REGION": "us-east-1"}, "E004", "REGION", '"eu-west-1"'),
        ({"BACKEND": "sqs"}, "W001", "no queue URL", "WHYNESS_MIXPANEL_QUEUE_URL"),
        ({"QUEUE_ULR": "x"}, "W002", '"QUEUE_ULR"', "Did you mean QUEUE_URL?"),
        ({"FROBNICATE": 1}, "W002", '"FROBNICATE"', "ANONYMOUS_USERS"),
        ({"RELAY": "threads"}, "E002", "RELAY", "thread, command"),
        ({"OUTBOX": "on_failure"}, "W006", '["OUTBOX"]: this setting is gone', "Remove it"),
        ({"PUBLISH_BUDGET_MS": 500}, "W006", "No page waits", "Remove it"),
    ],
)
def test_each_fault_has_its_id_and_its_remedy(
    chosen: dict[str, Any], expected_id: str, in_message: str, in_hint: str
) -> None:
    """The message names the setting, and the hint is what to write instead."""
    with override(**chosen):
        found = run_checks()

    assert list(found) == [f"whyness_mixpanel.{expected_id}"]
    message = found[f"whyness_mixpanel.{expected_id}"]
    assert in_message in message.msg
    assert in_hint in str(message.hint)
    assert message.is_serious() == expected_id.startswith("E")


def test_a_dictionary_that_is_none_is_an_error() -> None:
    """E001: everything else would silently be the default."""
    with override_settings(WHYNESS_MIXPANEL=["QUEUE_URL"]):
        found = run_checks()

    assert list(found) == ["whyness_mixpanel.E001"]


def test_two_names_with_two_values_are_an_error() -> None:
    """E003: the old name and the new one contradict each other; the same value twice does not."""
    with override_settings(MIXPANEL_PROJECT_ID=5):
        with override(PROJECT_ID=6):
            differing = run_checks()
        with override(PROJECT_ID="5"):
            agreeing = run_checks()

    assert list(differing) == ["whyness_mixpanel.E003"]
    assert "MIXPANEL_PROJECT_ID differ" in differing["whyness_mixpanel.E003"].msg
    assert agreeing == {}


def test_a_value_in_the_environment_may_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings over environment is no contradiction: it is the order of look-up."""
    monkeypatch.setenv("MIXPANEL_PROJECT_ID", "7")

    with override(PROJECT_ID=6):
        assert run_checks() == {}


def test_every_wrong_value_is_named_at_once() -> None:
    """E002 once per setting, so that one look is enough."""
    with override(READ_TIMEOUT_S=0, CONNECT_TIMEOUT_S=0):
        messages = [message.msg for message in checks.run_checks() if message.id == "whyness_mixpanel.E002"]

    assert len(messages) == 2


@pytest.mark.parametrize("backend", ["locmem", "console", "dummy"])
def test_a_backend_that_sends_nothing_is_named_before_a_deployment(backend: str) -> None:
    """W003 only with --deploy: in development such a backend is what one wants."""
    with override(BACKEND=backend):
        assert run_checks() == {}
        assert list(run_checks(deploy=True)) == ["whyness_mixpanel.W003"]


def test_an_old_setting_in_the_environment_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does nothing there any more."""
    monkeypatch.setenv("WHYNESS_MIXPANEL_PUBLISH_BUDGET_MS", "500")

    with override():
        assert list(run_checks()) == ["whyness_mixpanel.W006"]


@pytest.mark.parametrize(
    ("name", "options", "chosen", "is_told"),
    [
        ("db.sqlite3", {}, {}, True),
        ("db.sqlite3", {"transaction_mode": "DEFERRED"}, {}, True),
        ("db.sqlite3", {"transaction_mode": "immediate"}, {}, False),
        ("db.sqlite3", {}, {"BACKEND": "console"}, False),
        ("db.sqlite3", {}, {"ENABLED": False}, False),
        (":memory:", {}, {}, False),
    ],
)
def test_sqlite_with_djangos_own_transactions_is_told_what_to_add(
    name: str,
    options: dict[str, str],
    chosen: dict[str, Any],
    *,
    is_told: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There a second writer would make pages fail, so that pages publish themselves."""
    database = connections["default"].copy()
    database.settings_dict |= {"NAME": name, "OPTIONS": options}
    monkeypatch.setattr(check_functions, "needs_drain", lambda: False)
    monkeypatch.setattr(check_functions, "connections", {"default": database})

    with override(**{"BACKEND": "sqs", "QUEUE_URL": QUEUE_URL} | chosen):
        found = run_checks()

    assert list(found) == (["whyness_mixpanel.W007"] if is_told else [])
    assert not is_told or '"transaction_mode": "IMMEDIATE"' in str(found["whyness_mixpanel.W007"].hint)


def test_an_unknown_backend_is_one_error_and_not_two() -> None:
    """The deployment check leaves to E002 what E002 says."""
    with override(BACKEND="sqqs"):
        assert list(run_checks(deploy=True)) == ["whyness_mixpanel.E002"]


def test_the_direct_backend_needs_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """W004 where Whyness's tables are not: there its project is nobody's default."""
    account = {"SERVICE_ACCOUNT": "a", "SERVICE_PASSWORD": "b"}
    with override(BACKEND="mixpanel", **account):
        with_tables = run_checks()
        monkeypatch.setattr(conf, "_WHYNESS_APPS", frozenset())
        without = run_checks()

    assert with_tables == {}
    assert "needs PROJECT_ID:" in without["whyness_mixpanel.W004"].msg
    assert "MIXPANEL_PROJECT_ID in the environment" in str(without["whyness_mixpanel.W004"].hint)


def test_disabled_needs_no_queue() -> None:
    """W001 is for those who expect events to leave."""
    with override(BACKEND="sqs", ENABLED=False):
        assert run_checks() == {}


def test_no_check_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment may run its checks where nothing can be reached."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a check opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    with override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        run_checks(deploy=True)


def test_every_id_that_is_used_is_documented() -> None:
    """docs/django.md explains each check."""
    from tests.unit.django_app.test_conf import DOCS  # noqa: PLC0415  (one path, said once)

    source = (DOCS.parents[1] / "whyness_mixpanel" / "checks.py").read_text()
    ids = {word.split('"')[0] for word in source.split("whyness_mixpanel.")[1:] if word[0] in "EW"}

    assert ids == {"E001", "E002", "E003", "E004", *(f"W00{n}" for n in range(1, 10))}
    assert [name for name in sorted(ids) if f"`whyness_mixpanel.{name}`" not in DOCS.read_text()] == []
    assert conf.DICT_NAME in DOCS.read_text()
