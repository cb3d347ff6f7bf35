"""A shop whose code is that of the how-tos. Prints as JSON what came of each page: `""`, or a traceback.

Its directory has what the pages name: settings.py and shop/, whose models are here.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import django

django.setup()

from django.conf import settings as django_settings  # noqa: E402  (Django must be set up first)
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import AsyncRequestFactory, RequestFactory  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402

from tests.shipped.pages import blocks  # noqa: E402
from whyness_mixpanel import conf, counters, scrub, sources, testing  # noqa: E402
from whyness_mixpanel.management.commands import mixpanel_backfill  # noqa: E402
from whyness_mixpanel.models import Event  # noqa: E402
from whyness_mixpanel.people.profile import registered  # noqa: E402
from whyness_mixpanel.people.update import Project, Renderer, Update  # noqa: E402

call_command("migrate", verbosity=0, run_syncdb=True)

models = import_module("shop.models")

ADA = User.objects.create(username="ada", date_joined=datetime(2026, 1, 1, tzinfo=UTC))
PLAN = models.Plan.objects.create(title="Gold")
BROWSER = "Mozilla/5.0"


def request(path: str = "/", *, useragent: str = BROWSER, is_async: bool = False, **meta: Any) -> Any:
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
    views = import_module("shop.views")

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
    async_views = import_module("shop.async_views")

    asyncio.run(async_views.listen(request(is_async=True)))
    asyncio.run(async_views.upload(request(is_async=True)))
    asyncio.run(async_views.pay(request(f"/?plan={PLAN.pk}", is_async=True)))
    assert published("event") == [["Audio played"], ["Audio upload"], ["Payment"]]


def task() -> None:
    """A task that runs twice sends one event twice."""
    tasks = import_module("shop.tasks")

    payment = models.Payment.objects.create(user=ADA, plan=PLAN)
    for _ in range(2):
        tasks.send_payment(payment.pk)
        tasks.send_reminded(7, 1, "2026-01-01T09:00:00+00:00")
    sent = published("event", "insert_id", "time")
    assert sent[:2] == sent[2:]
    assert [insert_id for _, insert_id, _ in sent[:2]] == [f"payments-{payment.pk}", "reminded-1"]


def user_and_address() -> None:
    """The proxy's header is believed, and programs send nothing."""
    mails = import_module("shop.mails")

    mails.clicked(request(REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="6.6.6.6, 81.2.69.142"), 45)
    assert published("user", "ip") == [["p:45", "81.2.69.142"]]
    mails.clicked(request(useragent="our-Monitor/1.0"), 45)
    mails.follow(request(useragent="our-Monitor/1.0"))
    assert (published("user"), models.Click.objects.count()) == ([], 0)
    mails.follow(request())
    assert published("event") == [["Click"]]


def context_of_a_request() -> None:
    """The middleware that the page installs gives the page, and a block its own properties."""
    [path] = django_settings.MIDDLEWARE
    views, imports = import_module("shop.views"), import_module("shop.imports")
    landed = request(
        "/play/?utm_source=mail&ref=12&token=x", HTTP_HOST="localhost", REMOTE_ADDR="81.2.69.142"
    )

    import_string(path)(views.listen)(landed)
    imports.run([ADA])

    in_request, in_job = published("properties", "ip")
    assert in_request == [
        {
            "seconds": 12,
            "$current_url": "http://localhost/play/?utm_source=mail&ref=12",
            "utm_source": "mail",
        },
        "81.2.69.142",
    ]
    assert in_job == [{"job": "import", "plan": "trial"}, ""]


def prospect() -> None:
    """The event that links the two is the same each time."""
    registered = import_module("shop.registering").registered

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
    models.OptOut.objects.create(person="p:46")
    before = counters.snapshot()["suppressed"]
    assert Event(event="A", user="p:46").send() is True
    Event(event="A", user="p:47").send()
    assert published("user") == [["p:47"]]
    assert counters.snapshot()["suppressed"] == before + 1


def source() -> None:
    """A row is one event, live and in the backfill."""
    models.Payment.objects.all().delete()
    pay = import_module("shop.paying").pay
    pay(ADA, PLAN)
    row = models.Payment.objects.get()
    at_ms = int(row.create_date.timestamp() * 1000)
    fields = ("event", "user", "insert_id", "time", "properties")
    live = published(*fields)
    assert live == [["Payment", str(ADA.pk), f"payments-{row.pk}", at_ms, {"plan": "Gold"}]]

    models.Payment.objects.update(create_date=datetime(2026, 1, 1, tzinfo=UTC))
    row.refresh_from_db()
    sources.event_for(row).send()
    call_command("mixpanel_backfill", "payments", verbosity=0, stdout=sys.stderr, stderr=sys.stderr)
    live, backfilled = published(*fields)
    assert live == backfilled


def people() -> None:
    """What the page registers is what Mixpanel would show of Ada."""
    people = import_module("shop.people")
    people.register_profiles()
    [profile] = registered()
    made = Renderer(profile, Project.from_settings(), lambda value: value).render(ADA.pk, ADA)
    assert isinstance(made, Update), made
    assert json.loads(made.set_json) == {
        "$created": "2026-01-01T00:00:00+00:00",
        "is_staff": False,
        "kind": "customer",
        "person": str(ADA.pk),
    }
    assert made.unset_json == '["$name"]'


def backfill() -> None:
    """The setting, and how to go on after an interruption."""
    page = next(block.text for block in blocks("how-to/backfill.md") if block.text.startswith("To go on"))
    options = {"source": "activity", "since": datetime(2026, 1, 1, tzinfo=UTC), "until": None, "rate": None}
    options["again"] = False
    assert page == f"To go on: {mixpanel_backfill._again(options, 481216)}\n"
    assert conf.HISTORY_BEFORE.get() == datetime(2026, 1, 31, 12, tzinfo=UTC)


def settings() -> None:
    """What the pages set is what the app reads."""
    databases: Any = django_settings.DATABASES
    assert databases["default"]["OPTIONS"] == {"transaction_mode": "IMMEDIATE"}
    assert conf.RELAY.get() == "command"


CHECKS: dict[str, Callable[[], None]] = {
    "send-from-a-view": view,
    "send-from-async-code": async_code,
    "send-from-a-task": task,
    "fill-in-user-and-address": user_and_address,
    "add-the-requests-context": context_of_a_request,
    "link-a-prospect": prospect,
    "keep-secrets-out": secrets,
    "honour-opt-outs": opt_outs,
    "add-a-source": source,
    "backfill": backfill,
    "show-people": people,
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
