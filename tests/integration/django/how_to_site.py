"""A shop whose code is that of the how-tos. Prints as JSON what came of each page: `""`, or a traceback.

Its directory has what the pages name: settings.py and shop/, whose models are here.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  (Django must be set up first)
from django.core.management import call_command  # noqa: E402
from django.test import AsyncRequestFactory, RequestFactory  # noqa: E402

from whyness_mixpanel import conf, counters, scrub, testing  # noqa: E402
from whyness_mixpanel.models import Event  # noqa: E402

call_command("migrate", verbosity=0, run_syncdb=True)

from shop.models import Click, OptOut, Payment, Plan  # type: ignore[import-not-found]  # noqa: E402

ADA = User.objects.create(username="ada", date_joined=datetime(2026, 1, 1, tzinfo=UTC))
PLAN = Plan.objects.create(title="Gold")
BROWSER = "Mozilla/5.0"


def request(path: str = "/", *, useragent: str = BROWSER, is_async: bool = False, **meta: str) -> Any:
    """Return a request of Ada's."""
    if is_async:
        made: Any = AsyncRequestFactory().get(path, headers={"User-Agent": useragent})

        async def auser() -> User:
            return ADA

        made.auser = auser
    else:
        made = RequestFactory().get(path, HTTP_USER_AGENT=useragent, **meta)
    made.user = ADA
    return made


def published(*fields: str) -> list[Any]:
    """Return these fields of each event that has left since the last time."""
    events = [[event.get(field, "") for field in fields] for event in testing.published_events()]
    testing.clear()
    return events


def view() -> None:
    """Each function of the page sends what it says."""
    from shop import views  # type: ignore[import-not-found]  # noqa: PLC0415

    views.listen(request())
    assert published("event", "user", "useragent") == [["Audio played", str(ADA.pk), BROWSER]]
    views.upload(request())
    assert published("event", "user", "data") == [["Audio upload", str(ADA.pk), "POST"]]
    views.pay(request(f"/?plan={PLAN.pk}"))
    assert published("event", "properties") == [["Payment", {"plan": "Gold"}]]
    views.play_all(request())
    assert published("data") == [["A"], ["B"]]


def async_code() -> None:
    """The same, in an event loop."""
    from shop import async_views  # type: ignore[import-not-found]  # noqa: PLC0415

    asyncio.run(async_views.listen(request(is_async=True)))
    asyncio.run(async_views.upload(request(is_async=True)))
    asyncio.run(async_views.pay(request(f"/?plan={PLAN.pk}", is_async=True)))
    assert published("event") == [["Audio played"], ["Audio upload"], ["Payment"]]


def task() -> None:
    """A task that runs twice sends one event twice."""
    from shop import tasks  # type: ignore[import-not-found]  # noqa: PLC0415

    payment = Payment.objects.create(user=ADA, plan=PLAN)
    for _ in range(2):
        tasks.send_payment(payment.pk)
        tasks.send_reminded(7, 1, "2026-01-01T09:00:00+00:00")
    sent = published("event", "insert_id", "time")
    assert sent[:2] == sent[2:]
    assert [insert_id for _, insert_id, _ in sent[:2]] == [f"payments-{payment.pk}", "reminded-1"]


def user_and_address() -> None:
    """The proxy's header is believed, and programs send nothing."""
    from shop import mails  # type: ignore[import-not-found]  # noqa: PLC0415

    mails.clicked(request(REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="6.6.6.6, 81.2.69.142"), 45)
    assert published("user", "ip") == [["p:45", "81.2.69.142"]]
    mails.clicked(request(useragent="our-Monitor/1.0"), 45)
    mails.follow(request(useragent="our-Monitor/1.0"))
    assert (published("user"), Click.objects.count()) == ([], 0)
    mails.follow(request())
    assert published("event") == [["Click"]]


def prospect() -> None:
    """The event that links the two is the same each time."""
    from shop.registering import registered  # type: ignore[import-not-found]  # noqa: PLC0415

    registered(ADA, 45)
    at_ms = int(ADA.date_joined.timestamp() * 1000)
    assert published("user", "prospect", "insert_id", "time") == [
        [str(ADA.pk), "45", f"registered-{ADA.pk}", at_ms]
    ]


def secrets() -> None:
    """The names and patterns of the page are added to the defaults."""
    Event(event="A", data="DE12345678901234567890", properties={"iban": "x", "password": "y"}).send()
    assert published("data", "properties") == [["[removed]", {"iban": "[removed]", "password": "[removed]"}]]
    assert set(scrub.NAMES) < set(conf.SCRUB_NAMES.get())


def opt_outs() -> None:
    """Nothing about them leaves; the others do."""
    OptOut.objects.create(person="p:46")
    before = counters.snapshot()["suppressed"]
    assert Event(event="A", user="p:46").send() is True
    Event(event="A", user="p:47").send()
    assert published("user") == [["p:47"]]
    assert counters.snapshot()["suppressed"] == before + 1


def source() -> None:
    """A row is one event, live and in the backfill."""
    from shop.paying import pay  # type: ignore[import-not-found]  # noqa: PLC0415

    Payment.objects.all().delete()
    pay(ADA, PLAN)
    live = published("event", "user", "insert_id", "time")
    Payment.objects.update(create_date=datetime(2026, 1, 1, tzinfo=UTC))
    call_command("mixpanel_backfill", "payments", verbosity=0, stdout=sys.stderr, stderr=sys.stderr)
    backfilled = published("event", "user", "insert_id", "time")
    assert [event[:3] for event in live] == [event[:3] for event in backfilled]
    assert live[0][2] == f"payments-{Payment.objects.get().pk}"


def settings() -> None:
    """What the pages set is what the app reads."""
    from django.conf import settings as django_settings  # noqa: PLC0415

    assert django_settings.DATABASES["default"]["OPTIONS"] == {"transaction_mode": "IMMEDIATE"}
    assert conf.RELAY.get() == "command"
    assert conf.HISTORY_BEFORE.get() == datetime(2026, 1, 31, 12, tzinfo=UTC)


CHECKS: dict[str, Callable[[], None]] = {
    "send-from-a-view": view,
    "send-from-async-code": async_code,
    "send-from-a-task": task,
    "fill-in-user-and-address": user_and_address,
    "link-a-prospect": prospect,
    "keep-secrets-out": secrets,
    "honour-opt-outs": opt_outs,
    "add-a-source": source,
    "backfill": settings,
    "set-up-your-server": settings,
    "run-the-drain": settings,
}


def told(check: Callable[[], None]) -> str:
    """Return what went wrong, `""` for nothing."""
    testing.clear()
    try:
        check()
    except BaseException:  # noqa: BLE001  (whatever the page's code raises is the test's to tell)
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    json.dump({f"how-to/{page}.md": told(check) for page, check in CHECKS.items()}, sys.stdout)
