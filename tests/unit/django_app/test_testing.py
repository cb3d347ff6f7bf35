import pytest
from django.db import transaction

from tests.django_support import override
from whyness_mixpanel import testing
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


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("mixpanel_before", ["console"])
def test_the_fixture_keeps_every_event_in_the_process(
    mixpanel_before: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the site's settings say, and without its other settings being lost."""
    with override(BACKEND=mixpanel_before, IDENTITY="simplified"):
        fixture = request.getfixturevalue("mixpanel")
        Event(event="A", insert_id=1).send()

        assert [event["event"] for event in fixture.published_events()] == ["A"]
        assert capsys.readouterr().out == ""
