from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import transaction

from tests.django_support import override, published
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event, Outbox, Suppression, send_many
from whyness_mixpanel.publishing.drain import drain


@pytest.fixture(autouse=True)
def suppressed(db: None) -> None:  # noqa: ARG001  (it makes the tables)
    """User 8 and prospect 45 are suppressed."""
    for user in ("8", "p:45"):
        Suppression.objects.create(user=user)


def events() -> list[Event]:
    """Return one event of user 7, and three about suppressed people."""
    return [
        Event(event="x", user=8),
        Event(event="x", user=7),
        Event(event="x", user="p:45"),
        Event(event="x", user=9, prospect="45"),
    ]


def users() -> list[str]:
    """Return about whom something was published."""
    return [event["user"] for event in published()]


@pytest.mark.parametrize("in_transaction", [False, True])
def test_nothing_is_published_about_suppressed_people(*, in_transaction: bool) -> None:
    """Whichever way an event takes; nothing about them waits afterwards, and they are counted."""
    with transaction.atomic() if in_transaction else nullcontext():
        assert send_many(events()) is True

    assert users() == ["7"]
    assert Outbox.objects.count() == 0
    assert counters.snapshot()["suppressed"] == 3


def test_the_drain_deletes_what_waits_about_them() -> None:
    """The suppression may have come after the row."""
    for event in events():
        Outbox.objects.create(encoded=event.json(), identity="distinct_id", user=str(event.user))

    with override():
        drain("default", claim_rows=10)

    assert users() == ["7"]
    assert Outbox.objects.count() == 0


def test_an_opt_out_function_that_raises_parks_the_batch() -> None:
    """Nothing of it is sent, and each event waits for a person with the reason."""

    def fail(_: Iterable[str]) -> Any:
        raise KeyError("MARKER-4711")

    with override(OPT_OUT=fail), transaction.atomic():
        send_many(events())

    assert users() == []
    assert Outbox.objects.filter(state=Outbox.State.PARKED, reason__contains="OPT_OUT").count() == 4
    assert not Outbox.objects.filter(reason__contains="MARKER").exists()


def test_whoever_opted_out_is_left_out_of_a_page() -> None:
    """The others are sent."""
    with override(OPT_OUT=lambda _: {"9"}):
        send_many([Event(event="x", user=9), Event(event="x", user=7)])

    assert users() == ["7"]


def test_secrets_are_gone_from_what_is_published_and_from_what_is_parked() -> None:
    """A rule broken elsewhere in the event keeps no secret."""
    secret = {"deep": [{"password": "hunter2-4711"}]}

    with override(BACKEND="dummy", RAISE_INVALID=False):
        Event(event="", user=7, properties=secret, data="token=hunter2-4711").send()
    with override():
        Event(event="x", user=7, properties=secret, data="token=hunter2-4711").send()

    (parked,) = Outbox.objects.all()
    assert "hunter2" not in parked.encoded
    assert "[removed]" in parked.encoded
    assert "hunter2" not in str(published())
    assert published()[0]["data"] == "token=[removed]"
