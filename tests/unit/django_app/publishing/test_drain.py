import json
import signal
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from tests.django_support import override, published, write
from whyness_mixpanel.backends import Answer, locmem
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.privacy import filters

pytestmark = pytest.mark.usefixtures("db")


def fill(count: int, using: str = "default", encoded_user: str = "", **fields: Any) -> None:
    """Put `count` events into the outbox."""
    rows = [
        Outbox(
            encoded=Event(event="Video watched", user=encoded_user, insert_id=n).json(),
            identity="distinct_id",
            **fields,
        )
        for n in range(1, count + 1)
    ]
    write(rows, using)


def run(*arguments: str) -> str:
    """Run the command and return what it printed."""
    out = StringIO()
    call_command("mixpanel_outbox", *arguments, stdout=out)
    return out.getvalue()


def test_a_drain_publishes_what_waits_in_every_database() -> None:
    """Oldest first, in batches, and the rows are gone."""
    fill(5)
    fill(2, using="other")

    printed = run("drain", "--batch=2")

    assert [event["insert_id"] for event in published()] == ["1", "2", "3", "4", "5", "1", "2"]
    assert printed.endswith("Published: 7. Left: 0.\n")
    assert Outbox.objects.count() == Outbox.objects.using("other").count() == 0


def test_a_program_that_calls_the_drain_keeps_its_signals_and_its_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker of Celery must hear of its own end, and wants no line in its log for each run."""
    fill(1)
    handlers: list[object] = []
    publish = locmem.publish

    def note(*bodies: Any, **given: Any) -> Answer:
        handlers.append(signal.getsignal(signal.SIGTERM))
        return publish(*bodies, **given)

    monkeypatch.setattr(locmem, "publish", note)

    assert run("drain", "--verbosity=0") == ""
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_without_an_action_it_shows_what_waits() -> None:
    """As `status` does."""
    fill(3)

    assert run() == run("status")


def test_a_drain_keeps_the_mode_that_each_event_was_sent_in() -> None:
    """The setting may have been changed since."""
    fill(1)
    Outbox.objects.update(identity="simplified")

    run("drain")

    assert json.loads(locmem.messages[0])["identity"] == "simplified"


def test_a_limit_is_kept_and_a_dry_run_publishes_nothing() -> None:
    """Both say what is left."""
    fill(5)

    dry, limited = run("drain", "--dry-run", "--database=default"), run("drain", "--limit=3")

    assert dry == "default: would publish 5 events.\n"
    assert limited.endswith("Published: 3. Left: 2.\n")
    assert len(published()) == 3


def test_a_queue_that_is_down_is_exit_code_1_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked once, and the next drain takes the rows at once."""
    calls: list[int] = []

    def fail(bodies: list[str], **_: object) -> Answer:
        calls.append(len(bodies))
        raise TimeoutError

    fill(5)
    monkeypatch.setattr(locmem, "publish", fail)
    with pytest.raises(CommandError, match="2 events were not published") as caught:
        run("drain", "--batch=2")
    monkeypatch.undo()

    assert (caught.value.returncode, len(calls), Outbox.objects.count()) == (1, 1, 5)
    with override():
        assert run("drain").endswith("Published: 5. Left: 0.\n")


def test_a_refused_message_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain goes on after it and leaves it in the outbox."""

    def refuse_first(bodies: list[str], **_: object) -> Answer:
        taken = [i for i, body in enumerate(bodies) if '"insert_id":"1"' not in body]
        locmem.messages.extend(bodies[i] for i in taken)
        return Answer(frozenset(taken), "InvalidMessageContents")

    rows = [Event(event="A", insert_id=n, useragent="x" * 60_000).json() for n in (1, 2, 3)]
    write([Outbox(encoded=row, identity="distinct_id") for row in rows], "default")
    monkeypatch.setattr(locmem, "publish", refuse_first)

    with pytest.raises(CommandError, match="1 events were not published"):
        run("drain", "--batch=2")

    assert [event["insert_id"] for event in published()] == ["2", "3"]
    row = Outbox.objects.get()
    assert (row.attempts, row.claimed_by, row.claimed_until is None) == (1, "", False)


def test_what_the_queue_never_takes_is_parked_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a drain and by a page; once the queue takes it, it is released."""

    def refuse_long(bodies: list[str], **_: object) -> Answer:
        short = [index for index, body in enumerate(bodies) if len(body) < 1_000]
        locmem.messages.extend(bodies[index] for index in short)
        refused = {index: "longer than allowed" for index in range(len(bodies)) if index not in short}
        return Answer(frozenset(short), "BatchRequestTooLong" if refused else "", refused=refused)

    fill(1)
    long = [Event(event="A", insert_id=n, useragent="x" * 2_000) for n in (11, 12, 13)]
    write([Outbox(encoded=event.json(), identity="distinct_id") for event in long[:2]], "default")
    fill(1, using="other")
    with monkeypatch.context() as patched:
        patched.setattr(locmem, "publish", refuse_long)
        drained = run("drain", "--batch=2")
        by_page = long[2].send()
    parked = list(Outbox.objects.order_by("id").values_list("state", "reason"))
    run("release", "--all")
    run("drain")

    assert drained.endswith("Published: 2. Left: 0.\n")
    assert by_page is True
    assert parked == [("parked", "longer than allowed")] * 3
    assert sorted(event["insert_id"] for event in published()) == ["1", "1", "11", "12", "13"]


def test_parked_events_are_not_drained_until_they_are_released() -> None:
    """A release checks the rules again: an invalid event stays parked with its current reason."""
    fill(1, state="parked", reason="opt-out unknown")
    Outbox.objects.create(encoded='{"insert_id": "2"}', identity="distinct_id", state="parked", reason="old")
    Outbox.objects.create(encoded="{", identity="distinct_id", state="parked", reason="old")
    run("drain")
    before = published()

    with pytest.raises(CommandError, match="2 events stay parked"):
        run("release", "--all")
    run("drain")

    assert before == []
    assert [event["insert_id"] for event in published()] == ["1"]
    reasons = list(Outbox.objects.order_by("id").values_list("reason", flat=True))
    assert reasons == [
        "event: found nothing (the field is missing); allowed: a string",
        "its JSON cannot be read",
    ]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"BACKEND": "sqs"}, "QUEUE_URL"),
        ({"ENABLED": False}, "ENABLED"),
        ({"BACKEND": "x"}, "BACKEND"),
    ],
)
def test_a_drain_that_cannot_publish_says_why(chosen: dict[str, Any], expected: str) -> None:
    """Nothing is claimed."""
    fill(1)

    with override(**chosen), pytest.raises(CommandError, match=expected):
        run("drain")

    assert Outbox.objects.get().attempts == 0


def test_the_status_tells_counts_ages_and_reasons() -> None:
    """For people, and as JSON."""
    fill(2, created_at=timezone.now() - timedelta(minutes=2))
    fill(1, state="parked", reason="event: found a blank string")

    text, figures = run("status"), json.loads(run("status", "--json", "--database=default"))["default"]

    assert "default: 2 pending, the oldest for 12" in text
    assert "1 parked: event: found a blank string" in text
    assert (figures["pending"], figures["parked"]) == (2, 1)
    assert 120 <= figures["oldest_pending_s"] < 130


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("drain", "--batch=0"), "must be a positive integer"),
        (("release",), "Give either"),
        (("drain", "--database=no"), "The database no has no outbox. Databases with one: default, other"),
    ],
)
def test_wrong_arguments_say_what_is_right(arguments: tuple[str, ...], expected: str) -> None:
    """Before anything is touched."""
    with pytest.raises(CommandError, match=expected):
        run(*arguments)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Also that of each action."""
    for arguments in (("--help",), ("drain", "--help")):
        with pytest.raises(SystemExit, match="0"):
            run(*arguments)

    assert capsys.readouterr().out.count("mixpanel_outbox drain --loop") == 2


def test_where_nobody_can_tell_who_opted_out_events_are_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a page, outside a transaction and in a drain; other events wait no longer for it."""

    def fail(_: object) -> list[str]:
        raise filters.OptOutFailed("The function of OPT_OUT raised KeyError")

    fill(1)
    monkeypatch.setattr(filters, "unwanted_among", fail)
    with transaction.atomic():
        Event(event="A", user="7", insert_id=2).send()
    outside = Event(event="A", user="7", insert_id=3).send()
    printed = run("drain")

    assert (outside, published()) == (True, [])
    assert set(Outbox.objects.values_list("state", "reason")) == {
        ("parked", "The function of OPT_OUT raised KeyError")
    }
    assert Outbox.objects.count() == 3
    assert printed.endswith("Published: 0. Left: 0.\n")


def test_events_of_the_suppressed_are_deleted_and_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way they come; those of others travel."""
    monkeypatch.setattr(filters, "unwanted_among", lambda people: people & {"7"})
    fill(1, encoded_user="7")
    with transaction.atomic():
        Event(event="A", user="7", insert_id=2).send()
        Event(event="A", user="8", insert_id=3).send()
    Event(event="A", user="7", insert_id=4).send()
    run("drain")

    assert [event["insert_id"] for event in published()] == ["3"]
    assert Outbox.objects.count() == 0
