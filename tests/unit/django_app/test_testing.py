from collections.abc import Iterator
from types import ModuleType

import pytest
from django.db import transaction

from tests.django_support import override
from whyness_mixpanel import conf, testing
from whyness_mixpanel.models import Event
from whyness_mixpanel.pytest_plugin import mixpanel

__all__ = ["mixpanel"]


@pytest.mark.usefixtures("db")
def test_what_is_sent_shows_before_it_has_left() -> None:
    """In a TestCase nothing commits, so such a test checks the events that were sent."""
    with transaction.atomic():
        Event(event="A", insert_id=1).send()
        seen = (len(testing.sent_events()), len(testing.published_events()))

    assert seen == (1, 0)
    assert testing.sent_events() == testing.published_events()
    testing.clear()
    assert testing.sent_events() == testing.published_events() == []


@pytest.fixture
def _console() -> Iterator[None]:
    with override(BACKEND="console", IDENTITY="simplified"):
        yield


@pytest.mark.usefixtures("db", "_console")
def test_the_fixture_keeps_every_event_in_the_process(
    mixpanel: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the site's settings say, and without its other settings being lost."""
    Event(event="A", insert_id=1).send()

    assert [event["event"] for event in mixpanel.published_events()] == ["A"]
    assert conf.IDENTITY.get() == "simplified"
    assert capsys.readouterr().out == ""
