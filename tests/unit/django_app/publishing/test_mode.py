"""Who publishes is decided for each send, from settings, database and server."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.django_support import override
from whyness_mixpanel.publishing import mode
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.mode import Mode, mode_of


def connection(vendor: str = "postgresql", *, is_in_memory: bool = False, **options: str) -> Any:
    """Return what stands for a connection."""
    return SimpleNamespace(
        vendor=vendor, is_in_memory_db=lambda: is_in_memory, settings_dict={"OPTIONS": options}
    )


@pytest.fixture(autouse=True)
def _on_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not under test, and nothing told yet."""
    monkeypatch.setattr(mode, "is_testing", lambda: False)
    monkeypatch.setattr(mode, "_uwsgi", Condition())


@pytest.mark.parametrize(
    ("chosen", "database", "expected"),
    [
        ({}, connection(), Mode.THREAD),
        ({"BACKEND": "mixpanel"}, connection(), Mode.THREAD),
        ({"BACKEND": "console"}, connection(), Mode.CALLER),
        ({"BACKEND": "locmem", "RELAY": "command"}, connection(), Mode.CALLER),
        ({"RELAY": "command"}, connection(), Mode.COMMAND),
        ({"RELAY": "nonsense"}, connection(), Mode.COMMAND),
        ({"BACKEND": "nonsense"}, connection(), Mode.THREAD),
        ({}, connection("sqlite", transaction_mode="IMMEDIATE"), Mode.THREAD),
        ({}, connection("sqlite", transaction_mode="exclusive"), Mode.THREAD),
        ({}, connection("sqlite"), Mode.CALLER),
        ({}, connection("sqlite", transaction_mode="DEFERRED"), Mode.CALLER),
        ({}, connection("sqlite", is_in_memory=True), Mode.COMMAND),
        ({"RELAY": "command"}, connection("sqlite"), Mode.COMMAND),
    ],
)
def test_settings_and_database_say_who_publishes(
    chosen: dict[str, str], database: Any, expected: Mode
) -> None:
    """A thread where one can live; a faulty setting loses nothing."""
    with override(**{"BACKEND": "sqs"} | chosen):
        assert mode_of(database) is expected


@pytest.mark.parametrize(
    ("uwsgi", "expected"),
    [
        ({"opt": {"http": b":80"}}, Mode.COMMAND),
        ({"opt": {"enable-threads": True}}, Mode.THREAD),
        ({"opt": {b"threads": b"4"}}, Mode.THREAD),
        # What uWSGI says itself: since 2.0.27 there are threads without any option.
        ({"opt": {}, "has_threads": 1}, Mode.THREAD),
        ({"opt": {"enable-threads": True}, "has_threads": 1}, Mode.THREAD),
        ({"opt": {"http": b":80"}, "has_threads": 0}, Mode.COMMAND),
        ({"opt": {"enable-threads": b"false"}, "has_threads": 0}, Mode.COMMAND),
    ],
)
def test_under_uwsgi_without_threads_a_drain_publishes(
    uwsgi: dict[str, Any],
    expected: Mode,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thread would never run there; one warning says what to set."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(**uwsgi))

    with override(BACKEND="sqs"):
        assert [mode_of(connection()), mode_of(connection())] == [expected] * 2

    assert caplog.text.count("enable-threads") == (1 if expected is Mode.COMMAND else 0)


def test_in_djangos_test_environment_no_thread_is_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a site has set no backend."""
    monkeypatch.undo()

    with override(BACKEND=""):
        assert mode_of(connection()) is (Mode.COMMAND if mode.is_testing() else Mode.THREAD)
