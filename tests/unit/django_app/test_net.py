"""Whatever a value, a setting or a database does: nothing of it reaches the page, and the neighbours go."""

import asyncio
import json
import logging
import re
import signal
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, connection, transaction
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.django_support import override, published
from tests.hostile_values import endless, hostile, misbehaving
from whyness_events import InvalidEvent
from whyness_mixpanel import conf, counters, signals
from whyness_mixpanel.models import Event, Outbox, send_many
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.publishing import batch, insert, outbox, relay
from whyness_mixpanel.publishing.outbox import Waiting
from whyness_mixpanel.track import track

pytestmark = pytest.mark.usefixtures("db")

SECRET = "MARKER-4711"
FIELDS = ("event", "user", "data", "insert_id", "time", "ip", "useragent", "properties", "prospect", "method")
QUIET = {"BACKEND": "console", "RAISE_INVALID": False}
# What a faulty setting is called, and what reads it.
FAULTY = {
    "ANONYMOUS_USERS": 5,
    "SCRUB_NAMES": ["--"],
    "SCRUB_PATTERNS": ["("],
    "IDENTITY": "simplifed",
    "ENABLED": "perhaps",
}


def raising(error: BaseException) -> Any:
    """Return a value that raises `error` when it is touched."""

    def touch() -> NoReturn:
        raise error

    return SimpleLazyObject(touch)


def make_event(**fields: Any) -> Event:
    """Return a valid event, with `fields` over it."""
    valid: dict[str, Any] = {"event": "Click", "user": "7", "insert_id": 1, "time": 1_760_000_000}
    return Event(**valid | fields)


class Heard:
    """All that the log and the signal say."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._reasons: list[str] = []
        signals.event_parked.connect(self._note)

    def _note(self, reason: str, **_: object) -> None:
        self._reasons.append(reason)

    def __str__(self) -> str:
        return self._caplog.text + "\n".join(self._reasons)


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Heard:
    """What left the process beside events."""
    caplog.set_level(logging.DEBUG, "whyness_mixpanel")
    return Heard(caplog)


@pytest.fixture(autouse=True)
def _console(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The backend prints."""
    yield
    capsys.readouterr()


FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(suppress_health_check=FIXTURES, deadline=None, max_examples=120)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), misbehaving(SECRET), min_size=1, max_size=4))
def test_no_value_reaches_the_page_and_the_neighbours_go(
    fields: dict[str, Any], heard: Heard, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is published, or parked and counted; nothing else, and nothing of it is said."""
    Outbox.objects.all().delete()
    counters.reset()
    event = Event()
    for name, value in fields.items():
        setattr(event, name, value)

    with override(**QUIET):
        sent = send_many([make_event(insert_id=1), event, make_event(insert_id=2)])

    printed = capsys.readouterr().out
    parked = list(Outbox.objects.all())
    counts = counters.snapshot()
    assert [f'"insert_id":"{number}"' in printed for number in (1, 2)] == [True, True]
    assert (len(parked), counts["invalid"], counts["published"]) in {(0, 0, 3), (1, 1, 2)}
    assert sent is not bool(parked)
    assert counts["lost"] == counts["unwritten"] == 0
    assert SECRET not in str(heard)
    assert all(len(row.encoded.encode()) < 1_200_000 for row in parked)
    assert isinstance([json.loads(row.encoded) for row in parked], list)


@settings(suppress_health_check=FIXTURES, deadline=None, max_examples=60)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), misbehaving(SECRET), min_size=1, max_size=3))
def test_only_an_invalid_event_raises_and_only_where_a_developer_sees_it(fields: dict[str, Any]) -> None:
    """By each way to send; the text says a field, and nothing of the value."""
    method = fields.pop("method", "")

    def made() -> Event:
        event = Event(**fields)
        event.method = method
        return event

    given_to_track = {name: value for name, value in fields.items() if name not in ("event", "properties")}
    request = RequestFactory().get("/")
    ways: list[Callable[[], Any]] = [
        lambda: made().send(),
        lambda: made().json(),
        lambda: asyncio.run(made().asend()),
        lambda: Event.send_many([made()]),
        lambda: track(request, fields.get("event", "E"), fields.get("properties"), **given_to_track),
    ]
    for way in ways:
        with override(RAISE_INVALID=True):
            try:
                way()
            except InvalidEvent as error:
                caught = str(error)
            else:
                continue
            assert re.split(r"[:.\[]", caught)[0] in FIELDS
            assert SECRET not in caught


@pytest.mark.parametrize("error", [ValueError, MemoryError, RecursionError, StopIteration, UnicodeError])
@pytest.mark.parametrize("field", FIELDS)
def test_the_reason_is_the_field_and_the_type_of_what_was_raised(
    field: str, error: type[Exception], heard: Heard
) -> None:
    """Not what it says."""
    event = make_event()
    setattr(event, field, raising(error(SECRET)))
    if field == "method":
        event.data = None

    with override(**QUIET):
        assert event.send() is False

    row, name = Outbox.objects.get(), "data" if field == "method" else field
    assert row.reason.startswith(f"{name}: {error.__name__}.")
    assert f"{name}: {error.__name__}" in str(heard)
    assert SECRET not in str(heard) + row.reason + row.encoded
    assert counters.snapshot()["invalid"] == 1


def test_a_member_that_raises_is_named_to_people_alone(heard: Heard) -> None:
    """In the row by its name, in what leaves the process without it."""
    with override(**QUIET):
        make_event(properties={"a": 1, "price": {"net": raising(OSError(SECRET))}}).send()

    assert Outbox.objects.get().reason.startswith("properties.price.net: OSError.")
    assert "properties.*: OSError" in str(heard)
    assert "price" not in str(heard)


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_is_no_exception_passes(leaving: type[BaseException]) -> None:
    """Nothing is written of any of the events."""
    for fields in ({"user": raising(leaving())}, {"properties": {"a": [raising(leaving())]}}):
        with override(**QUIET), pytest.raises(leaving):
            send_many([make_event(), make_event(**fields)])

    assert not Outbox.objects.exists()


class SoftTimeLimitExceeded(Exception):
    """As a job's time limit is one: an ordinary exception."""


def _end_job(*_: object) -> None:
    raise SoftTimeLimitExceeded


def _slow() -> str:
    signal.raise_signal(signal.SIGUSR1)
    return "never"


class _Slow:
    """A collection that is slow."""

    def __iter__(self) -> Iterator[Any]:
        yield _slow()


class _SlowNames(list[str]):
    """A setting that is slow to be read."""

    def __iter__(self) -> Iterator[Any]:
        yield _slow()


SLOW: list[tuple[Callable[[], object], dict[str, Any]]] = [
    (lambda: make_event(user=SimpleLazyObject(_slow)).send(), {}),
    (lambda: make_event(properties={"a": SimpleLazyObject(_slow)}).send(), {}),
    (lambda: make_event(properties={"a": {"b": [SimpleLazyObject(_slow)]}}).send(), {}),
    (lambda: make_event(data={"a": SimpleLazyObject(_slow)}).send(), {}),
    (lambda: make_event(time=SimpleLazyObject(_slow)).send(), {}),
    (lambda: send_many(_Slow()), {}),
    (lambda: make_event().send(), {"SCRUB_NAMES": _SlowNames()}),
    (lambda: filters.unwanted_among({"7"}), {"OPT_OUT": lambda _: _slow()}),
    (lambda: batch.publish([Waiting(1, "", ROW)], lambda: True), {"OPT_OUT": lambda _: _slow()}),
]
ROW = '{"insert_id":"1","event":"E","user":"7","time":1760000000000}'


@pytest.mark.parametrize(("act", "chosen"), SLOW, ids=map(str, range(len(SLOW))))
def test_what_a_signal_handler_raised_is_the_jobs(act: Callable[[], object], chosen: dict[str, Any]) -> None:
    """A job's time limit ends the job, also while a value, a setting or the site's own function is asked."""
    before = signal.signal(signal.SIGUSR1, _end_job)
    try:
        with override(**QUIET | chosen), pytest.raises(SoftTimeLimitExceeded):
            act()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert not Outbox.objects.exists()


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_setting_parks_the_event_until_it_is_right(name: str, heard: Heard) -> None:
    """Nothing is raised, nothing is lost, and the reason names the setting."""
    event = make_event(data={"a": 1})

    with override(**QUIET | {name: FAULTY[name]}):
        assert event.send() is False

    row = Outbox.objects.get()
    assert (row.state, counters.snapshot()["lost"], counters.snapshot()["invalid"]) == ("parked", 0, 1)
    assert name in row.reason
    assert name in str(heard)


@pytest.mark.parametrize("name", ["SCRUB_NAMES", "SCRUB_PATTERNS"])
def test_while_nobody_can_tell_what_is_secret_nothing_of_it_is_kept(name: str) -> None:
    """Neither in data nor in properties, nor in what is shown of them."""
    with override(**QUIET | {name: FAULTY[name]}):
        make_event(data=f"iban={SECRET}", properties={"a": SECRET, "b": object()}).send()
        assert make_event(insert_id=2).send() is True  # of this one there is nothing to scrub

    assert SECRET not in Outbox.objects.get().encoded


@pytest.mark.parametrize(
    "name",
    ["ANONYMOUS_USERS", "IDENTITY", "ENABLED", "RAISE_INVALID", "SCRUB_NAMES", "BACKEND", "RELAY", "OPT_OUT"],
)
@pytest.mark.parametrize("kind", [str, list, dict, object])
def test_no_setting_reaches_the_page(name: str, kind: type) -> None:
    """Whatever object stands there; the relay and the checks meet it as a setting that is not allowed."""
    value = raising(ZeroDivisionError()) if kind is object else hostile(kind)[0]

    with override(**QUIET | {name: value}):
        make_event().send()
        try:
            getattr(conf, name).get()
        except conf.SettingError as error:
            assert name in str(error)  # noqa: PT017  (some are read in spite of what they are)

    assert counters.snapshot()["lost"] == 0


@pytest.fixture
def broken_module() -> Iterator[str]:
    """The dotted path of a function whose module cannot be imported."""

    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "shop_that_fails":
                raise ZeroDivisionError

    finder: Any = Finder()
    sys.meta_path.insert(0, finder)
    yield "shop_that_fails.opted_out"
    sys.meta_path.remove(finder)


def test_a_module_that_cannot_be_imported_is_a_faulty_setting(broken_module: str) -> None:
    """In the page, in the relay and in the checks; the rows wait."""
    with override(**QUIET, OPT_OUT=broken_module):
        assert make_event().send() is True
        done = batch.publish([Waiting(1, "distinct_id", make_event().json())], lambda: True)
        with pytest.raises(conf.SettingError, match="OPT_OUT"):
            conf.OPT_OUT.get()

    assert len(done.left) == 1
    assert "OPT_OUT" in done.fault


class FailingRouter:
    """A router of the site that has a fault of its own."""

    def db_for_write(self, *_: object, **__: object) -> NoReturn:
        """Fail."""
        raise ZeroDivisionError


def test_a_router_that_fails_breaks_no_page() -> None:
    """The suppressed users are unknown, so the events wait."""
    with override(**QUIET):
        row = [Waiting(1, "distinct_id", make_event().json())]
        from django.test import override_settings  # noqa: PLC0415  (beside its only use)

        with override_settings(DATABASE_ROUTERS=[FailingRouter()]):
            done = batch.publish(row, lambda: True)

    assert (done.fault, len(done.left)) == ("ZeroDivisionError", 1)


DATABASE_FAULTS: list[Exception] = [
    Error(),
    ValueError("NUL"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"),
]


@pytest.mark.parametrize("fault", DATABASE_FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("in_transaction", [True, False])
def test_what_the_database_or_its_driver_raises_costs_no_page_and_no_transaction(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, *, in_transaction: bool
) -> None:
    """The event is published from memory, and the page's own row stays."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise fault

    monkeypatch.setattr(insert, "_execute", fail)
    with override():
        if in_transaction:
            with transaction.atomic():
                sent = make_event().send()
        else:
            sent = make_event().send()

    assert sent is False
    assert (counters.snapshot()["unwritten"], len(published())) == (1, 1)


@pytest.mark.parametrize("name", ["get_connection", "on_commit"])
def test_a_connection_that_cannot_be_had_loses_the_event_and_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An alias that there is not, a database that is down, a wrapper of the site that fails."""
    with override(), monkeypatch.context() as patch:
        patch.setattr(transaction, name, lambda *_, **__: 1 / 0)
        assert make_event().send() is (name == "on_commit")

    assert counters.snapshot()["lost"] == (name == "get_connection")
    assert ("ERROR" in caplog.text) is (name == "get_connection")


def test_an_alias_that_does_not_exist_is_no_exception() -> None:
    """It is an ERROR in the log."""
    with override():
        assert make_event().send(using="nowhere") is False

    assert counters.snapshot()["lost"] == 1


@pytest.mark.parametrize("state", ["down", "lost"])
def test_without_autocommit_a_database_that_is_down_is_no_exception(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """As for a site that sets AUTOCOMMIT to False."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise Error

    class Down:
        vendor, alias, in_atomic_block, autocommit = "postgresql", "default", False, False
        settings_dict: dict[str, Any] = {}  # noqa: RUF012  (a stand-in)
        connection = None if state == "down" else types.SimpleNamespace()
        get_autocommit = staticmethod(fail if state == "down" else lambda: False)
        features = None  # what is asked of it fails

    monkeypatch.setattr(relay, "wake", lambda *_: None)

    with override(BACKEND="sqs"), monkeypatch.context() as patch:
        patch.setattr(transaction, "get_connection", lambda _: Down())
        assert make_event().send() is False

    counts = counters.snapshot()
    assert counts["unwritten"] == 1
    assert counts["lost"] == (state == "lost")


def test_what_is_no_event_loses_nobody_else() -> None:
    """An element that is something else, and a collection that fails half-way."""

    def half() -> Iterator[Any]:
        yield make_event(insert_id=1)
        yield None
        yield make_event(insert_id=2)
        raise ZeroDivisionError

    with override():
        assert send_many(half()) is False
        with pytest.raises(SynchronousOnlyOperation):
            asyncio.run(_in_a_loop())

    assert [event["insert_id"] for event in published()] == ["1", "2"]
    assert counters.snapshot()["lost"] == 2


async def _in_a_loop() -> None:
    make_event().send()


def test_an_endless_value_is_not_waited_for() -> None:
    """A generator is not a list, and is not iterated."""
    with override(**QUIET):
        assert make_event(properties={"a": endless()}).send() is False


def test_a_request_that_fails_costs_the_event_and_not_the_page() -> None:
    """Its user may ask a database that is down."""
    request = RequestFactory().get("/", HTTP_USER_AGENT="UA")
    request.user = raising(Error(SECRET))

    with override(**QUIET):
        assert track(request, "E") is False

    assert Outbox.objects.get().reason.startswith("user: Error.")
    assert outbox.parked("default").count() == 1
    assert connection.is_usable()


def test_what_fails_around_an_event_loses_it_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An object that is not a request, a thread that cannot be started, no memory for a row."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(SECRET)

    with override(**QUIET):
        assert track(None, "E") is False  # type: ignore[arg-type]  # not a request
        monkeypatch.setattr("whyness_mixpanel.event.sync_to_async", fail)
        assert asyncio.run(make_event().asend()) is False
        monkeypatch.setattr("whyness_mixpanel.encoding.parked_event.encode", fail)
        assert send_many([make_event(event=""), make_event(insert_id=2)]) is False

    assert (counters.snapshot()["lost"], counters.snapshot()["published"]) == (3, 1)
    assert SECRET not in caplog.text


def test_what_publishing_at_the_commit_raises_breaks_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row waits for a drain."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError

    with override(**QUIET):
        monkeypatch.setattr(outbox, "claimed_by", fail)
        with transaction.atomic():
            assert make_event().send() is True

    assert Outbox.objects.get().state == "pending"
