"""The Django site that is measured: settings from the environment, and pages that make one query.

`python -m bench.django_site` creates its tables.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.workload import events

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


_PATIENCE_S = 30.0
_LOOK_S = 0.05

# Events of the usual traffic.
_TRAFFIC = [
    {name: getattr(event, name) for name in ("event", "user", "ip", "useragent", "data", "properties")}
    for event in events(1_000)
]


def set_up() -> None:
    """Configure Django from the environment, and create the tables."""
    configure()
    from django.core.management import call_command  # noqa: PLC0415  (after django.setup())

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_page (id integer PRIMARY KEY, views integer)")
        cursor.execute("DELETE FROM bench_page")
        cursor.execute("INSERT INTO bench_page VALUES (1, 0)")


def configure() -> None:
    """Configure Django from the environment; the tables must exist."""
    settings.configure(
        SECRET_KEY="bench",  # noqa: S106  (it guards nothing)
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["whyness_mixpanel"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        ROOT_URLCONF="bench.django_site",
        DATABASES={"default": _database() | {"ATOMIC_REQUESTS": bool(os.environ.get("BENCH_ATOMIC"))}},
        USE_TZ=True,
        LOGGING_CONFIG=None,
        WHYNESS_MIXPANEL={
            key: value
            for key in ("QUEUE_URL", "REGION", "BACKEND", "RELAY")
            if (value := os.environ.get(f"WHYNESS_MIXPANEL_{key}"))
        },
    )
    django.setup()


def _database() -> dict[str, Any]:
    """Return the database: it does not wait for the disk at a commit, and connections stay open."""
    if port := os.environ.get("BENCH_POSTGRES_PORT"):
        server = {"HOST": "127.0.0.1", "PORT": port, "NAME": "postgres", "USER": "postgres"}
        return {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None, **server}
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCH_SQLITE"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas},
    }


def traffic(number: int) -> dict[str, Any]:
    """Return the fields of event `number`."""
    return _TRAFFIC[number % len(_TRAFFIC)]


def insert_id(number: int) -> str:
    """Return the insert id of this process's event `number`."""
    return f"{os.getpid()}-{number}"


def request(page: str, first: int, count: int) -> None:
    """Call a page through WSGI that sends `count` events, numbered from `first`.

    Raises:
        SystemExit: the page failed.
    """
    from django.test import RequestFactory  # noqa: PLC0415  (after django.setup())

    statuses: list[str] = []
    environ = RequestFactory().get(f"/{page}/{first}/{count}/").environ
    response: Any = _handler()(environ, lambda status, _headers: statuses.append(status))
    b"".join(response)
    response.close()
    if statuses != ["200 OK"]:
        raise SystemExit(f"{page} answered {statuses}, so the figures mean nothing.")


@cache
def _handler() -> Any:
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415  (after django.setup())

    return WSGIHandler()


def wait_until_published() -> None:
    """Wait until the outbox is empty.

    Raises:
        SystemExit: it takes too long.
    """
    from whyness_mixpanel.models import Outbox  # noqa: PLC0415  (after django.setup())

    until_s = time.monotonic() + _PATIENCE_S
    while Outbox.objects.exists():
        if time.monotonic() > until_s:
            raise SystemExit("Events stayed in the outbox, so the figures mean nothing.")
        time.sleep(_LOOK_S)


def _view(send: Callable[[int], None]) -> Callable[..., HttpResponse]:
    def view(_request: HttpRequest, first: int, count: int) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("SELECT views FROM bench_page WHERE id = 1")
            cursor.fetchone()
        for number in range(first, first + count):
            send(number)
        return HttpResponse("a page")

    return view


def _nothing(_number: int) -> None:
    pass


def _loop(number: int) -> None:
    """Send in the simplest way."""
    fields: Mapping[str, Any] = traffic(number)
    _sqs().send_message(QueueUrl=os.environ["WHYNESS_MIXPANEL_QUEUE_URL"], MessageBody=json.dumps(fields))


@cache
def _sqs() -> "SQSClient":
    import boto3  # noqa: PLC0415  (not every page needs it)

    client: SQSClient = boto3.client("sqs")
    return client


def _send(number: int) -> None:
    from whyness_mixpanel.models import Event  # noqa: PLC0415  (after django.setup())

    if not Event(insert_id=insert_id(number), **traffic(number)).send():
        raise RuntimeError


urlpatterns = [
    path(f"{name}/<int:first>/<int:count>/", _view(send))
    for name, send in (("nothing", _nothing), ("loop", _loop), ("send", _send))
]

if __name__ == "__main__":
    set_up()
