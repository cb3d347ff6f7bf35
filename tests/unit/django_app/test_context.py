"""What events have from blocks, requests and SUPER_PROPERTIES, and that it is never another's."""

import asyncio
import contextvars
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path

from tests.django_support import override, published
from tests.unit.django_app.golden_events import RECORDED, TIME_MS, encode_all
from whyness_mixpanel import counters
from whyness_mixpanel.context import Scope, context
from whyness_mixpanel.middleware import ContextMiddleware
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing import parked
from whyness_mixpanel.request_facts import RequestFacts
from whyness_mixpanel.track import event_of

OURS = "whyness_mixpanel.middleware.ContextMiddleware"
MARKER = "MARKER-4711"
FOUR = ("event", "user", "time", "insert_id")


@pytest.fixture(autouse=True)
def _allowed_host() -> Iterator[None]:
    """The host of RequestFactory."""
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        yield


def encoded(**fields: Any) -> dict[str, Any]:
    """Return an event as it is on the wire."""
    given: dict[str, Any] = {"event": "Home", "user": 7} | fields
    event: dict[str, Any] = json.loads(Event(**given).json())
    return event


def properties(**fields: Any) -> dict[str, Any]:
    """Return the properties of an event."""
    found: dict[str, Any] = encoded(**fields).get("properties", {})
    return found


def in_request(work: Callable[[], Any], address: str = "/page/", user: Any = None, **meta: Any) -> Any:
    """Return what `work` returns in a request that has passed the middleware."""
    request = RequestFactory().get(address, **meta)
    request.user = user or AnonymousUser()
    results: list[Any] = []

    def answer(_: HttpRequest) -> HttpResponseBase:
        results.append(work())
        return HttpResponse()

    ContextMiddleware(answer)(request)
    return results[0]


# --- without and with


def test_without_a_context_not_one_byte_changes() -> None:
    """The rows, parked ones too, are those of the version that had no context."""
    assert encode_all() == json.loads(RECORDED.read_text())


def test_a_middleware_that_is_left_changes_nothing_either() -> None:
    """What follows a request has nothing of it."""
    in_request(encoded)

    assert encode_all() == json.loads(RECORDED.read_text())


def test_the_request_is_not_read_before_the_first_event() -> None:
    """A page without events costs the middleware nothing but its block."""

    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    answer = HttpResponse()

    assert ContextMiddleware(lambda _: answer)(Untouchable()) is answer  # type: ignore[arg-type]  # it must not be read


def test_what_is_nearer_to_the_event_counts_first() -> None:
    """Event, inner block, outer block, request, SUPER_PROPERTIES."""
    names = ["event", "inner", "outer", "$current_url", "utm_source", "super"]

    def work() -> dict[str, Any]:
        with context(**dict.fromkeys(names[:3], "outer")), context(**dict.fromkeys(names[:2], "inner")):
            return properties(properties={"event": "event"})

    supers = dict.fromkeys((*names, "route"), "super")
    with override(SUPER_PROPERTIES=supers):
        found = in_request(work, "/page/?utm_source=request")

    assert found == {
        "event": "event",
        "inner": "inner",
        "outer": "outer",
        "$current_url": "http://testserver/page/?utm_source=request",
        "utm_source": "request",
        "super": "super",
        "route": "super",
    }


@pytest.mark.parametrize("super_properties", [{"release": 7}, lambda: {"release": 7}, f"{__name__}.release"])
def test_super_properties_are_a_dictionary_or_a_function(
    super_properties: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function may be named by its path, as in the environment."""
    monkeypatch.setattr("whyness_mixpanel.setting_parsers.import_string", lambda _: lambda: {"release": 7})

    with override(SUPER_PROPERTIES=super_properties):
        assert properties() == {"release": 7}


@pytest.mark.parametrize("name", [*FOUR, "distinct_id", "$insert_id", "$user_id", "$device_id", "ip", "data"])
def test_the_four_fields_are_those_of_the_event_alone(name: str) -> None:
    """Whatever a context is called, copies of the event count once."""
    given: dict[str, Any] = {"event": "Home", "user": 7, "time": TIME_MS, "insert_id": "1", "prospect": 45}
    alone = encoded(**given)

    with override(SUPER_PROPERTIES={name: "super"}), context(**{name: "context"}):
        inside = encoded(**given)

    assert [inside[field] for field in (*FOUR, "prospect")] == [alone[field] for field in (*FOUR, "prospect")]
    assert inside.keys() - alone.keys() <= {"properties"}
    assert set(inside.get("properties", {})) <= {*FOUR}  # as names of properties they are harmless


def test_values_are_those_of_any_property() -> None:
    """Ordinary values of Django are converted, and secrets removed."""
    with context(plan=SimpleNamespace, when=None, password=MARKER, note=f"token={MARKER}", seats=(1, 2)):
        found = properties()

    assert found == {"when": None, "password": "[removed]", "note": "token=[removed]", "seats": [1, 2]}


def raising() -> dict[str, Any]:
    """Fail as a site's function may."""
    raise DatabaseError(MARKER)


@pytest.mark.parametrize(
    "super_properties",
    [
        raising,
        lambda: 7,
        lambda: {1: "a"},
        lambda: {"a": object(), "b": 1},
        lambda: {"token": 1},
        lambda: {"$model": 1},
        lambda: {"a": "\ud800"},
        lambda: {"a": float("nan")},
        lambda: dict.fromkeys(map(str, range(20_000))),
        lambda: dict.fromkeys(map(str, range(230))),
        MARKER,
    ],
)
def test_what_is_not_allowed_is_left_out_counted_and_the_event_goes(
    super_properties: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Analytics of everybody must not end because of one value; no line shows it."""
    with override(SUPER_PROPERTIES=super_properties), context(plan="trial"):
        found = properties(properties={"own": 1})

    assert found.items() >= {"own": 1, "plan": "trial"}.items()
    assert set(found) <= {"own", "plan", "b"}
    assert counters.snapshot()["context"] == 1
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert MARKER not in caplog.text


def test_an_event_that_is_valid_alone_is_never_too_large_with_its_context() -> None:
    """It goes without the context."""
    value = ["x" * 250] * 32
    large = {f"p{number}": value for number in range(122)}

    with context(a=value, b=value, c=value):
        found = properties(properties=large)

    assert found == large
    assert counters.snapshot()["context"] == 1


@pytest.mark.usefixtures("db")
def test_the_row_of_the_outbox_has_the_context_and_a_release_adds_none() -> None:
    """A parked row is what would have been sent, whoever releases it."""
    with override(RAISE_INVALID=False, BACKEND="dummy", RELAY="command"), context(plan="trial"):
        Event(event="", user=7).send()
    row = Outbox.objects.get()
    assert json.loads(row.encoded)["properties"] == {"plan": "trial"}
    Outbox.objects.update(encoded=row.encoded.replace('"event":""', '"event":"Home"'))

    with context(plan="other", admin="yes"):
        parked.release([row.pk], "default")

    assert json.loads(Outbox.objects.get().encoded)["properties"] == {"plan": "trial"}


# --- of a request


def person(pk: Any) -> Any:
    """Return a signed-in user."""
    return SimpleNamespace(pk=pk, is_authenticated=True)


REQUEST = {"REMOTE_ADDR": "203.0.113.9", "HTTP_USER_AGENT": "UA"}


@pytest.mark.parametrize(
    ("signed_in", "fields", "is_added"),
    [
        (None, {"user": 7}, True),
        (None, {"user": "p:45"}, True),
        (7, {"user": 7}, True),
        ("7", {"user": 7, "prospect": 45}, True),
        (7, {"user": ""}, True),
        (7, {"user": 8}, False),
        (1, {"user": 8}, False),  # one of ANONYMOUS_USERS of events, and the first Django user
        (7, {"user": "p:7"}, False),
        (7, {"user": "p:45", "prospect": 7}, False),
    ],
)
def test_nothing_of_the_request_is_added_where_somebody_else_is_signed_in(
    signed_in: Any,
    fields: dict[str, Any],
    is_added: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    """Staff who act for a customer are not where the customer is."""

    def work() -> dict[str, Any]:
        with context(plan="trial"):
            return encoded(**fields)

    found = in_request(work, "/page/?utm_source=a", user=signed_in and person(signed_in), **REQUEST)

    from_request = {"$current_url": "http://testserver/page/?utm_source=a", "utm_source": "a"}
    assert found["properties"] == {"plan": "trial"} | (from_request if is_added else {})
    assert [found.get(name) for name in ("ip", "useragent")] == (
        ["203.0.113.9", "UA"] if is_added else [None, None]
    )


def test_an_event_keeps_its_own_address_and_browser() -> None:
    """Each is filled in only where the event has none."""
    found = in_request(lambda: [encoded(ip="192.0.2.1"), encoded(useragent="own")], **REQUEST)

    assert [(event["ip"], event["useragent"]) for event in found] == [
        ("192.0.2.1", "UA"),
        ("203.0.113.9", "own"),
    ]


def test_who_cannot_be_told_from_the_signed_in_user_gets_nothing_of_the_request() -> None:
    """The query of the user may fail; the event goes all the same, and it is counted."""

    class Broken:
        @property
        def is_authenticated(self) -> bool:
            raise DatabaseError(MARKER)

    found = in_request(encoded, user=Broken(), **REQUEST)

    assert found.keys() <= {*FOUR}
    assert counters.snapshot()["context"] == 1


# --- never another's


def urls_of(*letters: str) -> list[str]:
    """Return the address of a page for each letter."""
    return [f"/{letter}/" for letter in letters]


def pages_of(events: list[dict[str, Any]]) -> dict[str, str]:
    """Return the page that each event has, by the event's name."""
    return {event["event"]: event.get("properties", {}).get("$current_url", "") for event in events}


def test_threads_have_their_own_request() -> None:
    """Requests that are in progress at the same time do not mix, in any order."""
    pages = urls_of(*"abcdefgh")
    barrier = threading.Barrier(len(pages))

    def work() -> tuple[str, str]:
        barrier.wait()
        first = properties()["$current_url"]
        barrier.wait()
        return first, properties()["$current_url"]

    with ThreadPoolExecutor(len(pages)) as pool:
        found = list(pool.map(lambda page: in_request(work, page), pages))

    assert found == [(f"http://testserver{page}",) * 2 for page in pages]


def test_a_thread_or_pool_of_a_request_has_nothing_of_it_afterwards() -> None:
    """Who keeps a copy of the context, and serves others with it, adds nothing of the first."""
    kept: list[contextvars.Context] = []

    def work() -> dict[str, Any]:
        with context(plan="trial"):
            kept.append(contextvars.copy_context())
            return kept[0].run(properties)

    assert in_request(work)["plan"] == "trial"
    assert kept[0].run(properties) == {}


def test_requests_of_an_event_loop_do_not_mix() -> None:
    """Each task has its own, across every point where it waits, and in the threads that it asks."""

    async def answer(_: HttpRequest) -> HttpResponseBase:
        pages = []
        for _number in range(5):
            await asyncio.sleep(0)
            with context(plan="trial"):
                pages.append((await sync_to_async(properties)())["$current_url"])
        return HttpResponse(json.dumps(pages))

    async def main() -> list[Any]:
        middleware: Any = ContextMiddleware(answer)
        requests = [RequestFactory().get(page) for page in urls_of(*"abcdef")]
        return await asyncio.gather(*map(middleware, requests))

    found = [set(json.loads(response.content)) for response in asyncio.run(main())]

    assert found == [{f"http://testserver{page}"} for page in urls_of(*"abcdef")]


def test_a_task_that_outlives_its_request_has_nothing_of_it() -> None:
    """A worker that the first request starts serves all the later ones."""

    async def main() -> list[dict[str, Any]]:
        jobs: asyncio.Queue[str] = asyncio.Queue()
        found: list[dict[str, Any]] = []
        workers: list[asyncio.Task[None]] = []

        async def worker() -> None:
            for _ in range(2):
                await jobs.get()
                found.append(properties())
                jobs.task_done()

        async def answer(_: HttpRequest) -> HttpResponseBase:
            if not workers:
                with context(plan="trial"):
                    workers.append(asyncio.create_task(worker()))
            return HttpResponse()

        middleware: Any = ContextMiddleware(answer)
        for page in urls_of("a", "b"):
            await middleware(RequestFactory().get(page))
            await jobs.put(page)
            await jobs.join()
        await workers[0]
        return found

    assert asyncio.run(main()) == [{}, {}]


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("is_async", [False, True])
def test_each_way_to_send_has_its_own_request_or_none(is_async: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    """Commit hooks, sync and async views under both kinds of server; streams are sent after the request."""
    kinds = ["sync", "async", "hook", "astream" if is_async else "stream"]
    urls = [f"/{kind}/{number}/" for number, kind in enumerate(kinds * 3)]

    async def ask(url: str) -> None:
        response: Any = await AsyncClient().get(url)
        if response.streaming:
            assert [part async for part in response] == [b"a", b"b"]

    async def ask_all() -> None:
        await asyncio.gather(*map(ask, urls))

    with override(), override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[OURS]):
        if is_async:
            asyncio.run(ask_all())
        else:
            assert [b"".join(Client().get(url)) for url in urls]
        Event(event="after").send()

    expected = {url: f"http://testserver{url}" if "stream" not in url else "" for url in urls}
    assert pages_of(published()) == expected | {"after": ""}


def _send(request: HttpRequest) -> None:
    assert Event(event=request.path).send()


def _sync(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001  (a view)
    _send(request)
    return HttpResponse("x")


async def _async(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001  (a view)
    await asyncio.sleep(0)
    assert await Event(event=request.path).asend()
    return HttpResponse("x")


def _hook(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001  (a view)
    with transaction.atomic():
        transaction.on_commit(lambda: _send(request))
    return HttpResponse("x")


def _stream(request: HttpRequest, number: int) -> StreamingHttpResponse:  # noqa: ARG001  (a view)
    def parts() -> Iterator[str]:
        with context(plan="trial"):
            _send(request)
            yield "a"
        _send(request)
        yield "b"

    return StreamingHttpResponse(parts())


def _astream(request: HttpRequest, number: int) -> StreamingHttpResponse:  # noqa: ARG001  (a view)
    async def parts() -> AsyncIterator[str]:
        with context(plan="trial"):
            assert await Event(event=request.path).asend()
            yield "a"
        assert await Event(event=request.path).asend()
        yield "b"

    return StreamingHttpResponse(parts())


VIEWS: dict[str, Callable[..., Any]] = {
    "sync": _sync,
    "async": _async,
    "hook": _hook,
    "stream": _stream,
    "astream": _astream,
}
urlpatterns = [path(f"{name}/<int:number>/", view) for name, view in VIEWS.items()]


def test_a_stream_that_is_given_up_leaves_nothing_for_the_next_request() -> None:
    """Its block is still entered when the same thread goes on with other work."""

    def parts() -> Generator[str, None, None]:
        with context(plan="trial"):
            yield "a"

    streams = [parts(), parts()]
    for stream in streams:
        next(stream)

    assert "plan" not in in_request(properties)
    streams[0].close()
    streams[1].close()
    assert properties() == {}


def test_a_stream_closed_elsewhere_is_no_error() -> None:
    """A server, or the garbage collector, may close it in another context."""

    async def parts() -> AsyncIterator[str]:
        with context(plan="trial"):
            yield "a"

    async def main() -> dict[str, Any]:
        stream: Any = parts()
        await asyncio.create_task(anext(stream))
        await asyncio.create_task(stream.aclose())
        return properties()

    assert asyncio.run(main()) == {}


def test_a_request_within_a_request_has_only_its_own() -> None:
    """A view may call another page, as tests and proxies do; afterwards it goes on with its own."""

    def outer() -> list[dict[str, Any]]:
        with context(plan="trial"):
            inner = in_request(properties, "/inner/")
            return [inner, properties()]

    inner, after = in_request(outer, "/outer/")

    assert inner == {"$current_url": "http://testserver/inner/"}
    assert after == {"plan": "trial", "$current_url": "http://testserver/outer/"}


def test_an_answer_that_fails_ends_its_scope() -> None:
    """An exception passes, and the next event has nothing."""

    def answer(_: HttpRequest) -> HttpResponseBase:
        with context(plan="trial"):
            raise LookupError

    with pytest.raises(LookupError):
        ContextMiddleware(answer)(RequestFactory().get("/"))

    assert properties() == {}


def test_a_forked_worker_has_nothing_of_its_parents_request() -> None:
    """A pool that a request starts works for others."""

    def fork() -> int:
        pid = os.fork()
        if not pid:
            os._exit(0 if properties() == {} else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def work() -> int:
        with context(plan="trial"):
            return fork()

    assert in_request(work) == 0


def test_a_closed_scope_keeps_no_request_alive() -> None:
    """A copy of the context may live as long as the process."""
    scope = Scope({}, RequestFacts(RequestFactory().get("/")))

    with scope:
        assert scope.request is not None

    assert scope.request is None


def test_a_decorated_function_is_a_block_each_time() -> None:
    """Jobs are often functions with a decorator."""

    @context(job="nightly")
    def job() -> dict[str, Any]:
        return properties()

    assert [job(), properties(), job()] == [{"job": "nightly"}, {}, {"job": "nightly"}]


def test_sync_code_in_async_code_in_sync_code_keeps_its_own() -> None:
    """Adapters copy the context back and forth."""

    def innermost() -> dict[str, Any]:
        with context(inner=1):
            return properties()

    async def middle() -> dict[str, Any]:
        with context(middle=1):
            return await sync_to_async(innermost)()

    found = in_request(lambda: [async_to_sync(middle)(), properties()])

    assert [sorted(each) for each in found] == [["$current_url", "inner", "middle"], ["$current_url"]]


def test_track_and_the_middleware_agree() -> None:
    """`track()` fills in user and address itself; the middleware adds the rest."""
    request = RequestFactory().get("/page/", **REQUEST)  # type: ignore[arg-type]  # META is text
    with Scope({}, RequestFacts(request)):
        found = json.loads(event_of(request, "Home", {"a": 1}).json())

    assert (found["ip"], found["useragent"]) == ("203.0.113.9", "UA")
    assert found["properties"] == {"a": 1, "$current_url": "http://testserver/page/"}
