"""Pages of a site, through Django's own request handling, with and without ATOMIC_REQUESTS."""

from collections.abc import Iterator

import pytest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from tests.builders import large_properties
from tests.django_support import override, published
from whyness_events import limits
from whyness_mixpanel import counters
from whyness_mixpanel.backends import Answer, locmem
from whyness_mixpanel.models import Event, Log, Outbox


def event(insert_id: int, title: str = "Video watched") -> Event:
    """Return a valid event, unless the arguments say otherwise."""
    return Event(event=title, user="7", insert_id=insert_id)


def page(request: HttpRequest) -> HttpResponse:
    """Send an event between two rows of the site's own; the query says what goes wrong."""
    Log.objects.create(message="before")
    title = request.GET.get("title", "Video watched")
    sent = event(1, title)
    if "large" in request.GET:
        sent.properties = large_properties(limits.EVENT_BYTES)
    sent.send()
    Log.objects.create(message="after")
    if "fails" in request.GET:
        raise ZeroDivisionError
    return HttpResponse("ok")


async def async_page(request: HttpRequest) -> HttpResponse:
    """Send an event as async code does."""
    await event(int(request.GET["id"])).asend()
    return HttpResponse("ok")


@pytest.fixture
def client(db: None) -> Iterator[Client]:  # noqa: ARG001  (a fixture that is needed, not read)
    """A visitor, who sees status 500 where a page raises."""
    urls = (path("page", page), path("async", async_page))
    with override(RAISE_INVALID=False), override_settings(ROOT_URLCONF=urls):
        yield Client(raise_request_exception=False)


@pytest.fixture(params=[False, True], ids=["autocommit", "atomic"])
def is_atomic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether each request is a transaction."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)
    return bool(request.param)


@pytest.mark.usefixtures("is_atomic")
def test_a_page_publishes_its_event(client: Client) -> None:
    """Once the response is made, the queue has the event and the outbox is empty."""
    response = client.get("/page")

    assert (response.status_code, len(published()), Outbox.objects.count()) == (200, 1, 0)


def test_a_page_that_raises_sends_what_its_database_keeps(client: Client, *, is_atomic: bool) -> None:
    """With ATOMIC_REQUESTS rows and event are rolled back together; without it both are there."""
    response = client.get("/page?fails=1")

    kept = (0, 0) if is_atomic else (2, 1)
    assert response.status_code == 500
    assert (Log.objects.count(), len(published())) == kept
    assert Outbox.objects.count() == 0


@pytest.mark.usefixtures("is_atomic")
def test_without_the_outbox_table_the_page_answers_200(client: Client) -> None:
    """The rows of the page are written, and its event is published all the same."""
    with connection.schema_editor() as editor:
        editor.delete_model(Outbox)
    try:
        response = client.get("/page")
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Outbox)

    assert (response.status_code, Log.objects.count(), len(published())) == (200, 2, 1)


@pytest.mark.usefixtures("is_atomic")
@pytest.mark.parametrize("query", ["title=+", "large"])
def test_an_event_that_is_invalid_or_too_large_costs_no_page(client: Client, query: str) -> None:
    """The page answers 200 with its own rows; the event is counted as invalid."""
    with override(BACKEND="dummy", RAISE_INVALID=False):  # locmem always raises
        response = client.get(f"/page?{query}")

    assert (response.status_code, Log.objects.count()) == (200, 2)
    assert counters.snapshot()["invalid"] == 1


@pytest.mark.usefixtures("is_atomic")
def test_with_the_queue_down_the_page_answers_200(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event waits in the outbox."""

    def fail(*_: object, **__: object) -> Answer:
        raise TimeoutError

    monkeypatch.setattr(locmem, "publish", fail)

    response = client.get("/page")

    assert (response.status_code, Outbox.objects.count(), counters.snapshot()["lost"]) == (200, 1, 0)


def test_an_async_view_awaits_its_event(client: Client) -> None:
    """The queue has the event by the time of the response."""
    response = client.get("/async?id=5")

    assert response.status_code == 200
    assert [each["insert_id"] for each in published()] == ["5"]
