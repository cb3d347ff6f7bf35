"""`Event.send()` straight to Mixpanel, over real HTTP on loopback: the good days and the bad ones."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from local.mixpanel_simulator import MixpanelSimulator
from tests.django_support import override
from tests.peer import Peer, PeerServer
from whyness_events.delivery.clock import SystemClock
from whyness_events.wire import join_message
from whyness_mixpanel import counters
from whyness_mixpanel.backends import CannotSend
from whyness_mixpanel.backends import mixpanel as direct
from whyness_mixpanel.encoding import normalise
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing import caller, memory, publisher
from whyness_mixpanel.publishing.drain import drain
from whyness_mixpanel.publishing.insert import Row
from whyness_mixpanel.publishing.worker import Worker

NOW_MS = 1_763_900_000_000
PASSWORD = "MARKER-password"

pytestmark = pytest.mark.usefixtures("db")

Direct = Callable[..., AbstractContextManager[object]]


def good(insert_id: int, at: int = NOW_MS, **fields: Any) -> Event:
    """Return an event that Mixpanel takes, with something in it that must never be logged."""
    return Event(event="Video watched", user=7, insert_id=insert_id, data="MARKER-data", time=at, **fields)


def bad(insert_id: int) -> Event:
    """Return an event that is valid here, and that a Mixpanel with `max_items=2` refuses."""
    return good(insert_id, properties={"plans": [1, 2, 3]})


@pytest.fixture
def mixpanel(monkeypatch: pytest.MonkeyPatch) -> Iterator[MixpanelSimulator]:
    """A Mixpanel of this test alone; short of time, so that nothing is tried twice in one call."""
    monkeypatch.setattr(direct, "DELIVERY_S", 4.0)
    direct._start_afresh()  # no breaker of another test
    with MixpanelSimulator(project_id="123", password=PASSWORD, max_items=2) as simulator:
        yield simulator
    direct._start_afresh()


@pytest.fixture
def to_mixpanel(mixpanel: MixpanelSimulator, by_caller: None) -> Direct:  # noqa: ARG001  (as it says)
    """Returns a context in which the backend posts to it; settings to choose."""

    def to_mixpanel(**chosen: object) -> AbstractContextManager[object]:
        settings = {
            "BACKEND": "mixpanel",
            "MIXPANEL_URL": mixpanel.url,
            "PROJECT_ID": 123,
            "SERVICE_ACCOUNT": "account",
            "SERVICE_PASSWORD": PASSWORD,
        }
        return override(**settings | chosen)

    return to_mixpanel


def raw_ids(mixpanel: MixpanelSimulator) -> list[str]:
    """Return the insert id of every copy that came."""
    return sorted(event["properties"]["$insert_id"] for event in mixpanel.raw_events())


def waiting() -> list[str]:
    """Return the state of each row in the outbox."""
    return list(Outbox.objects.order_by("id").values_list("state", flat=True))


def drain_all() -> int:
    """Drain; return how many events are published."""
    return drain("default", claim_rows=500).published


def test_good_events_reach_mixpanel_once(mixpanel: MixpanelSimulator, to_mixpanel: Direct) -> None:
    """With and without a transaction, and with a repeat in it; the outbox is empty afterwards."""
    with to_mixpanel():
        assert good(1).send() is True
        with transaction.atomic():
            for insert_id in (2, 3, 3):
                good(insert_id).send()

    assert raw_ids(mixpanel) == ["1", "2", "3"]
    assert waiting() == []
    assert counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"published": 4}


def test_events_of_both_identities_keep_theirs(mixpanel: MixpanelSimulator, to_mixpanel: Direct) -> None:
    """Events sent before the setting changed keep their identity mode."""
    with to_mixpanel(IDENTITY="simplified"):
        good(1).send()
    with to_mixpanel(IDENTITY="distinct_id"):
        good(2).send()

    first, second = sorted(mixpanel.raw_events(), key=lambda each: each["properties"]["$insert_id"])
    assert "$user_id" in first["properties"]
    assert "$user_id" not in second["properties"]


@pytest.mark.parametrize("status", [429, 503, 500])
def test_what_mixpanel_does_not_take_now_is_delivered_by_the_drain(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct, status: int
) -> None:
    """A rate limit or an outage parks nothing; later each event counts once."""
    fault = mixpanel.faults.add(status=status)
    with to_mixpanel():
        with transaction.atomic():
            good(1).send()
            bad(2).send()
        caller.start_afresh()
        good(3).send()
        during = waiting()
        mixpanel.faults.remove(fault)
        Outbox.objects.update(claimed_until=None)  # the page's lease is over
        drained = drain_all()

    assert during == ["pending"] * 3
    assert drained == 2
    assert raw_ids(mixpanel) == ["1", "3"]
    assert waiting() == ["parked"]


def test_a_copy_that_mixpanel_had_already_counts_once(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct
) -> None:
    """The answer was lost, not the event: the drain's copy has the same four fields."""
    mixpanel.faults.add(status=503, ingest=True, next_requests=1)
    with to_mixpanel():
        good(1).send()
        during = waiting()
        Outbox.objects.update(claimed_until=None)
        drain_all()

    assert during == ["pending"]
    assert raw_ids(mixpanel) == ["1", "1"]
    assert len(mixpanel.events()) == 1
    assert waiting() == []


def test_a_refused_event_is_parked_with_its_reason_and_its_neighbours_are_delivered(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct, caplog: pytest.LogCaptureFixture
) -> None:
    """One row for a person, which says what Mixpanel said, without a value."""
    with to_mixpanel(), transaction.atomic():
        good(1).send()
        bad(2).send()
        good(3).send()

    row = Outbox.objects.get()
    assert raw_ids(mixpanel) == ["1", "3"]
    assert (row.state, row.user) == ("parked", "7")
    assert '"insert_id":"2"' in row.encoded
    assert row.reason.startswith("rejected: properties.*: Mixpanel says:")
    assert "MARKER" not in row.reason + caplog.text
    assert counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"published": 2, "refused": 1}


def test_a_refused_event_holds_up_no_other(mixpanel: MixpanelSimulator, to_mixpanel: Direct) -> None:
    """It was written, and is parked; the next one is delivered."""
    with to_mixpanel():
        assert bad(1).send() is True
        assert good(2).send() is True

    assert waiting() == ["parked"]
    assert raw_ids(mixpanel) == ["2"]


def test_a_released_event_that_mixpanel_takes_now_is_delivered(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct
) -> None:
    """And one that it refuses again is parked again, once."""
    with to_mixpanel():
        bad(1).send()
        call_command("mixpanel_outbox", "release", "--all", verbosity=0)
        drain_all()
        again = waiting()
        mixpanel.configure(max_items=255)
        call_command("mixpanel_outbox", "release", "--all", verbosity=0)
        drain_all()

    assert again == ["parked"]
    assert waiting() == []
    assert raw_ids(mixpanel) == ["1"]


def test_a_wrong_password_parks_nothing_and_is_told_without_the_secret(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says what to check; with the right password the drain delivers."""
    caplog.set_level(logging.DEBUG)
    with to_mixpanel(SERVICE_PASSWORD="MARKER-wrong"):
        with transaction.atomic():
            good(1).send()
            bad(2).send()
        during = waiting()
        Outbox.objects.update(claimed_until=None)
        with pytest.raises(CommandError, match="2 events were not published"):
            call_command("mixpanel_outbox", "drain", verbosity=0)
    with to_mixpanel():
        call_command("mixpanel_outbox", "drain", verbosity=0)

    assert during == ["pending", "pending"]
    assert "Mixpanel answered 401: Invalid credentials; check the service account" in caplog.text
    assert "MARKER" not in caplog.text
    assert raw_ids(mixpanel) == ["1"]
    assert waiting() == ["parked"]


def test_threads_that_publish_at_once_lose_nothing(mixpanel: MixpanelSimulator, to_mixpanel: Direct) -> None:
    """One thread decides in a Deliverer: each thread of the pool has its own."""
    encoded = [[good(10 * page + number).json() for number in range(5)] for page in range(1, 9)]
    together = threading.Barrier(len(encoded))
    answers: list[bool] = []

    def page(events: list[str]) -> None:
        together.wait()
        answers.append(all(publisher.publish_each(events).confirmed))

    with to_mixpanel():
        threads = [threading.Thread(target=page, args=(events,)) for events in encoded]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [True] * len(encoded)
    assert len(raw_ids(mixpanel)) == len(set(raw_ids(mixpanel))) == 40


def test_an_event_before_its_time_stays_and_its_neighbours_go(
    mixpanel: MixpanelSimulator,
    to_mixpanel: Direct,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is not a failure; a drain skips it, and it is delivered when its time has come."""
    due_ms = normalise.now_ms() + 60_000
    with to_mixpanel():
        with transaction.atomic():
            for event in (good(1), good(2, at=due_ms), good(3)):
                event.send()
        assert waiting() == ["pending"]
        call_command("mixpanel_outbox", "drain", verbosity=0)
        before = raw_ids(mixpanel)
        assert counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"published": 2}

        monkeypatch.setattr(SystemClock, "now_s", lambda _: due_ms / 1000)
        assert drain_all() == 1

    assert (before, raw_ids(mixpanel)) == (["1", "3"], ["1", "2", "3"])
    assert waiting() == []
    assert caplog.records == []


def test_what_is_early_and_in_memory_is_looked_at_now_and_then(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox does not take it; its neighbour goes, and it goes when its time has come."""
    due_ms = normalise.now_ms() + 60_000
    clock_s = 0.0
    worker = Worker(clock=lambda: clock_s)
    with to_mixpanel():
        memory.hold(
            [Row(good(1).json(), "simplified", "7"), Row(good(2, at=due_ms).json(), "simplified", "7")]
        )
        worker.publish_memory()
        assert (raw_ids(mixpanel), memory.is_empty()) == (["1"], False)
        assert clock_s < worker.next_due_s() <= clock_s + 1

        monkeypatch.setattr(SystemClock, "now_s", lambda _: due_ms / 1000)
        clock_s += 1
        worker.work()

    assert (raw_ids(mixpanel), memory.is_empty()) == (["1", "2"], True)


def test_more_events_than_one_message_holds_are_each_in_one_place(
    mixpanel: MixpanelSimulator, to_mixpanel: Direct
) -> None:
    """Refused events are named by their place in the right message."""
    refused = {7, 250, 399}
    with to_mixpanel(), transaction.atomic():
        for number in range(1, 401):
            event = bad(number) if number in refused else good(number)
            event.useragent = "x" * 2_000
            event.send()

    parked = {int(row.encoded.split('"insert_id":"')[1].split('"')[0]) for row in Outbox.objects.all()}
    assert parked == refused
    assert waiting() == ["parked"] * 3
    assert len(mixpanel.raw_events()) == 397


def test_nothing_is_left_of_an_answer_that_never_ends(to_mixpanel: Direct) -> None:
    """The call is over in its time, with its threads and sockets, also where the server is to close."""

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n")
        peer.wait_until_client_left()

    body = join_message([good(1).json()], identity="simplified")
    with PeerServer(play) as server, to_mixpanel(MIXPANEL_URL=server.url):
        with pytest.raises(CannotSend):
            direct.publish([body])
        left = [thread for thread in threading.enumerate() if thread.name.endswith("(_run)")]
        server.join()

    assert left == []
