"""What mypy and editors know of the fields. mypy checks this file: an ignore without need is an error."""

import inspect
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import get_type_hints
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from tests.django_support import override
from whyness_mixpanel.event_types import EventFields
from whyness_mixpanel.models import Event
from whyness_mixpanel.track import event_of, track


class Plan(models.TextChoices):
    """What a site has."""

    FREE = "free", "Free"


NOW = datetime(2025, 11, 23, tzinfo=UTC)


def right(request: HttpRequest) -> list[Event]:
    """Return events of everything that the table takes."""
    return [
        Event(event="E", user=request.user, insert_id=7, time=NOW, ip=ip_address("::1"), data={"a": 1}),
        Event(
            event=gettext_lazy("E"),
            user=User(pk=7),
            insert_id=uuid4(),
            time=1.7e9,
            useragent=None,
            prospect=8,
        ),
        Event(
            event=Plan.FREE,
            user=SimpleLazyObject(AnonymousUser),
            time=Decimal(1_700_000_000),
            data=gettext_lazy("E"),
        ),
        Event(event="E", user=None, properties={"at": NOW, "on": date(2025, 1, 1), "many": (1, {"a"})}),
        event_of(request, gettext_lazy("E"), {"price": Decimal(1)}, user=request.user, time=NOW, insert_id=7),
    ]


def wrong(request: HttpRequest) -> None:
    """Make every mistake that an editor should mark; never called."""
    Event(event=7)  # type: ignore[arg-type]
    Event(usr=7)  # type: ignore[call-arg]
    Event(user=object())  # type: ignore[arg-type]
    Event(time="now")  # type: ignore[arg-type]
    Event(data=[1])  # type: ignore[arg-type]
    Event(properties=[1])  # type: ignore[arg-type]
    track(request, "E", usr=7)  # type: ignore[call-arg]
    track(request, "E", time="now")  # type: ignore[arg-type]
    track(request, "E", insert_id=1.5)  # type: ignore[arg-type]
    event_of(request, "E", prospect=object())  # type: ignore[arg-type]


def test_what_mypy_takes_is_taken(rf_request: HttpRequest) -> None:
    """By the code, too."""
    with override():
        assert all(made.json() for made in right(rf_request))


@pytest.fixture
def rf_request() -> HttpRequest:
    """A request without a user."""
    request = HttpRequest()
    request.user = AnonymousUser()
    return request


def test_track_and_event_take_the_same_fields() -> None:
    """Of the same types; name and properties are parameters of their own."""
    parameters = set(inspect.signature(Event).parameters)
    of_event = get_type_hints(Event.__init__)

    assert parameters - {"event", "properties"} == EventFields.__annotations__.keys()
    assert {name: of_event[name] for name in EventFields.__annotations__} == get_type_hints(EventFields)
