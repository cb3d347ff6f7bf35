from collections.abc import Iterator

import pytest

from tests.django_support import db, pristine
from whyness_mixpanel import signals
from whyness_mixpanel.people import profile

__all__ = ["db", "pristine"]


@pytest.fixture(autouse=True)
def _no_receiver_stays() -> Iterator[None]:
    """A receiver that raised lives on in its traceback, and would hear the tests that follow."""
    ours = (signals.event_published, signals.event_parked, signals.publish_failed)
    before = [list(signal.receivers) for signal in ours]
    yield
    for signal, receivers in zip(ours, before, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()


@pytest.fixture
def no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The site of the tests shows no profiles, though the example's apps register some."""
    monkeypatch.setattr(profile, "_profiles", {})
