"""A backend of the site's own, named by a dotted path: found, checked, called."""

import os
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
from django.core import checks
from django.db import connection

from tests.django_support import override
from whyness_mixpanel import backends
from whyness_mixpanel.backends import Answer, Backend, CannotSend, all_of, console
from whyness_mixpanel.checks import check_discarding_backend
from whyness_mixpanel.diagnosis import diagnose, finding
from whyness_mixpanel.publishing import mode, publisher
from whyness_mixpanel.publishing.mode import Mode

EVENT = '{"insert_id":"1","event":"a","user":"7","time":1763900000000}'


class Kafka:
    """A backend as a class; counts its instances."""

    made = 0

    def __init__(self) -> None:
        Kafka.made += 1
        self.calls: list[tuple[list[str], str]] = []

    def publish(self, bodies: Sequence[str], *, group: str) -> Answer:
        """Take all of them."""
        self.calls.append((list(bodies), group))
        return all_of(bodies)


def never(bodies: Sequence[str], *, group: str) -> Any:  # noqa: ARG001  (a Publish)
    """Return what is not an answer."""
    return True


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module `site_events`, which has backends of each kind."""
    module: Any = ModuleType("site_events")
    module.Kafka, module.kafka, module.nothing = Kafka, Kafka(), object()
    module.publish = module.kafka.publish
    module.wrong, module.late = type("W", (), {"publish": staticmethod(never)}), type("L", (), {"publish": 1})
    monkeypatch.setitem(sys.modules, "site_events", module)
    Kafka.made = 0
    backends._start_afresh()
    yield module
    backends._start_afresh()


def told() -> list[checks.CheckMessage]:
    """Return what the system checks say of the backend."""
    return [message for message in checks.run_checks() if message.id == "whyness_mixpanel.W011"]


@pytest.mark.parametrize(
    "path", ["site_events.Kafka", "site_events.kafka", "tests.unit.django_app.a_backend"]
)
@pytest.mark.parametrize("group", ["live", "backfill"])
def test_a_module_a_class_or_an_object_publishes(
    path: str, group: str, site: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told the group each time; a class is made once."""
    monkeypatch.setitem(sys.modules, "tests.unit.django_app.a_backend", site)

    with override(BACKEND=path):
        done = [publisher.publish_each([EVENT], group=group) for _ in range(2)]
        found = told()

    assert [each.confirmed for each in done] == [[True], [True]]
    assert found == []
    assert Kafka.made == (1 if path.endswith("Kafka") else 0)
    if not path.endswith("Kafka"):
        assert [told_group for _, told_group in site.kafka.calls] == [group] * 2


def test_each_kind_is_a_backend_to_a_type_checker() -> None:
    """What ships is one, too; the checker reads this line."""
    kinds: list[Backend] = [Kafka(), console]
    assert all(callable(kind.publish) for kind in kinds)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("site_nowhere.kafka", "ModuleNotFoundError"),
        ("site_events.missing", "AttributeError"),
        ("site_events.nothing", "AttributeError"),
        ("site_events.late", "not a function"),
    ],
)
def test_what_cannot_be_used_is_told_and_its_events_wait(path: str, fault: str) -> None:
    """By the check, by mixpanel_check, and by each attempt; nothing raises into a page."""
    with override(BACKEND=path):
        (found,) = told()
        done = publisher.publish_each([EVENT])
        settings = diagnose._settings()

    assert fault in found.msg
    assert "publish(bodies, *, group)" in str(found.hint)
    assert done.confirmed == [False]
    assert done.fault
    assert settings.state is finding.State.WRONG


def test_a_module_that_raises_while_it_is_imported_is_told(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises; its text stays with it."""
    (tmp_path / "site_broken.py").write_text("raise ZeroDivisionError('MARKER')\n")
    monkeypatch.syspath_prepend(tmp_path)

    with override(BACKEND="site_broken.Kafka"):
        (found,) = told()
        done = publisher.publish_each([EVENT])

    assert "ZeroDivisionError" in found.msg
    assert (done.confirmed, done.fault) == ([False], "ZeroDivisionError")
    assert "MARKER" not in found.msg


def test_an_answer_that_is_none_confirms_nothing() -> None:
    """`True` says of no event that it is safe."""
    with override(BACKEND="site_events.wrong"):
        done = publisher.publish_each([EVENT])

    assert done.confirmed == [False]
    assert "Answer" in done.fault


def test_its_events_go_through_the_relay_and_not_through_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be slow; and because it sends events somewhere, W003 does not apply."""
    monkeypatch.setattr(mode, "is_testing", lambda: False)
    monkeypatch.setattr(mode, "_is_in_memory", lambda _: False)
    monkeypatch.setattr(mode, "takes_second_writer", lambda *_: True)

    with override(BACKEND="site_events.Kafka"):
        assert mode.mode_of(connection) is Mode.THREAD
        assert check_discarding_backend(None) == []


def test_a_forked_child_makes_its_own() -> None:
    """A parent's connections cannot be shared."""
    backends.get_publish("site_events.Kafka")
    child = os.fork()
    if child == 0:
        backends.get_publish("site_events.Kafka")
        os._exit(Kafka.made)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 2


def test_our_own_names_are_found_as_before() -> None:
    """They have no dot."""
    assert backends.get_publish("dummy")(["a"], group="live") == all_of(["a"])
    with pytest.raises(CannotSend):
        backends.get_publish("site_events.missing")
