"""The rule of order, over the real code in virtual time; and without each of its parts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.django_app.people.order_model import World
from whyness_mixpanel.models import PersonState
from whyness_mixpanel.people import changes, state
from whyness_mixpanel.people.state import Sender

pytestmark = pytest.mark.usefixtures("db")

SEEDS = range(30)


def test_once_all_is_quiet_mixpanel_equals_the_table() -> None:
    """Whatever was killed, frozen, unanswered, late or changed; and no request carried too old a row."""
    wrong = {seed: faults for seed in SEEDS if (faults := _faults(seed, Sender))}

    assert not wrong


class _NoLease(Sender):
    """A sender that does not care for the others."""

    def take(self, *, by_force: bool = True) -> bool:
        return super().take(by_force=by_force)

    def hold(self) -> bool:
        return self.take()


class _FirstDoubt(Sender):
    """A sender for which the first doubt counts, not the latest."""

    def mark(self, source: str, about: Sequence[Any]) -> bool:
        with _doubts_stay():
            return super().mark(source, about)

    def doubt(self, source: str, about: Sequence[Any]) -> None:
        with _doubts_stay():
            super().doubt(source, about)


@contextmanager
def _doubts_stay() -> Iterator[None]:
    doubted = list(PersonState.objects.filter(unsure_at__isnull=False))
    yield
    PersonState.objects.bulk_update(doubted, ["unsure_at"])


def _no_second_sending(patch: pytest.MonkeyPatch) -> type[Sender]:
    patch.setattr(state, "DOUBT", timedelta(0))
    return Sender


def _read_before_the_wait(patch: pytest.MonkeyPatch) -> type[Sender]:
    page_of = changes.Reader._page

    def first(self: changes.Reader, rows: Any, known: Any, last_key: Any) -> changes.Page:
        read = self.__dict__.setdefault("_read", {})
        if all(key in read for key in rows):
            rows = {key: read[key] for key in rows}
        read |= rows
        return page_of(self, rows, known, last_key)

    patch.setattr(changes.Reader, "_page", first)
    return Sender


_BUGS: dict[str, Callable[[pytest.MonkeyPatch], type[Sender]]] = {
    "no lease": lambda _: _NoLease,
    "no second sending": _no_second_sending,
    "the first doubt kept": lambda _: _FirstDoubt,
    "the row read before the wait": _read_before_the_wait,
}


@pytest.mark.parametrize("bug", _BUGS)
def test_without_a_part_of_the_rule_it_ends_wrong(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    """The model finds each deliberate bug."""
    senders = _BUGS[bug](monkeypatch)

    assert any(_faults(seed, senders) for seed in SEEDS)


def _faults(seed: int, senders: type[Sender]) -> list[str]:
    world = World(seed, senders)
    world.run()
    return world.faults()
