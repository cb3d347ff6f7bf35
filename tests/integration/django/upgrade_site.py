"""A site of the old app that is upgraded, rolled back and upgraded again: one process, started by the test.

Its environment: DATABASE, a database as JSON; STATIC, a directory; COMMANDS, those of docs/how-to/upgrade.md by the
headings they stand under. It prints what came of each step as JSON.
"""

import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from tests import django_settings

CHOSEN = {
    **{name: value for name, value in vars(django_settings).items() if name.isupper()},
    "DATABASES": {"default": json.loads(os.environ["DATABASE"])},
    "STATIC_ROOT": os.environ["STATIC"],
    "WHYNESS_MIXPANEL": {"BACKEND": "__main__.Queue", "RELAY": "command", "RAISE_INVALID": False},
}
settings.configure(**CHOSEN)
django.setup()

from django.core.management import call_command  # noqa: E402  (Django must be set up first)
from django.core.management.base import CommandError  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402
from django.db.migrations.recorder import MigrationRecorder  # noqa: E402

from example.whyness_crm import models as crm  # noqa: E402
from example.whyness_django import models as site  # noqa: E402
from whyness_mixpanel.backends import Answer, all_of  # noqa: E402
from whyness_mixpanel.models import Event, Outbox, Suppression  # noqa: E402

SITE = ("contenttypes", "auth", "admin", "sessions", "whyness_django", "whyness_crm")
OURS = "whyness_mixpanel"
USERAGENT = 'Mozilla/5.0 "quoted" \\ (X11)'


# The four that count, and `data`.
Fields = tuple[Any, ...]


class Queue:
    """Keeps the events that are published."""

    events: list[dict[str, Any]] = []  # noqa: RUF012  (of all of its objects)

    def publish(self, bodies: Sequence[str], *, group: str) -> Answer:
        """Take all of them."""
        assert group in {"live", "backfill"}
        self.events.extend(event for body in bodies for event in json.loads(body)["events"])
        return all_of(bodies)


def command(*words: str) -> str:
    """Run a command of manage.py and return what it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        call_command(*words, "--verbosity=0", stdout=printed)
    return printed.getvalue()


def steps(heading: str) -> Callable[[], None]:
    """Return what runs the commands under a heading, but for those that need AWS or never end."""
    texts = json.loads(os.environ["COMMANDS"])[heading]
    words = [shlex.split(text.partition("manage.py ")[2]) for text in texts if "manage.py" in text]
    wanted = [each for each in words if each[0] != "mixpanel_check" and "--loop" not in each]

    def run() -> None:
        for each in wanted:
            command(*each)

    assert wanted, heading
    return run


def fill() -> None:
    """Write rows of every kind into the old app's tables and the site's."""
    apps = MigrationExecutor(connection).loader.project_state([(OURS, "0001_initial")]).apps
    log: Any = apps.get_model(OURS, "Log")
    for status, message in ((200, "1"), (400, '{"error": "\\"", "é": 1}'), (0, "")):
        log.objects.create(status_code=status, message=message)
    for number in (1, 7):
        user = site.AuthUser.objects.create(id=number, uid=f"user-{number}")
        contact = crm.Contact.objects.create(id=number, email=f"{number}@example.org")
        tracker_log("Audio upload", user)
        goto(user)
        goto(contact)


def tracker_log(activity: str, user: Any) -> Any:
    """Store an activity, as the site's view does; return its row."""
    return site.TrackerLog.objects.create(
        user=user,
        item=site.TrackerItem.objects.get_or_create(title=activity)[0],
        useragent=site.UserAgent.objects.get_or_create(useragent=USERAGENT)[0],
        method="POST",
    )


def goto(person: Any) -> Any:
    """Store a click, as the site's view does; return its row."""
    is_contact = isinstance(person, crm.Contact)
    click: Any = crm.ContactTrackerClick if is_contact else crm.AuthUserTrackerClick
    destination = crm.TrackerDestination.objects.get_or_create(title="News", url="/")[0]
    return click.objects.create(destination=destination, contact=person)


def send_as_ever() -> list[Fields]:
    """Send an event from each kind of call site, written for the old app; return the fields that are due."""
    expected = []
    for number in (1, 7):
        user, contact = site.AuthUser.objects.get(id=number), crm.Contact.objects.get(id=number)
        for name, person in (("Play", user), ("User click", user), ("Prospect click", contact)):
            with transaction.atomic():
                row = tracker_log(name, user) if name == "Play" else goto(person)
                expected.append(send_row(name, person, row))
    return expected


def send_row(name: str, person: Any, row: Any) -> Fields:
    """Send a row's event, line by line as the old app's call sites do."""
    e = Event()
    e.event = name
    e.insert_id = row.id
    e.time = int(row.create_date.timestamp())
    e.ip = ""
    if name == "Play":
        e.user = str(person.id)
        e.useragent = row.useragent.useragent
        e.method = "POST"
    else:
        named = person.id if name == "User click" else f"p:{person.id}"
        e.user = "" if person.id == 1 else named
        e.data = f"{row.destination.xref}: {row.destination.title}"
    assert str(e) == f"{name} {e.time} {row.id}"
    assert e.send() is True
    due_user = "" if person.id == 1 else str(e.user)
    return name, due_user, str(row.id), e.time * 1000, e.data or e.method


def tables() -> dict[str, list[Any]]:
    """Return every row of the tables that are not ours alone, as text."""
    found = {}
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            if name.startswith(("whyness_django_", "whyness_crm_", f"{OURS}_log")):
                cursor.execute(f'SELECT * FROM "{name}" ORDER BY id')  # noqa: S608  (a name of the database)
                found[name] = [[str(value) for value in row] for row in cursor.fetchall()]
    return found


def our_state() -> dict[str, Any]:
    """Return which of our tables and migrations there are, and what is in the outbox."""
    names = sorted(name for name in connection.introspection.table_names() if name.startswith(OURS))
    applied = sorted(name for app, name in MigrationRecorder(connection).applied_migrations() if app == OURS)
    rows = {}
    for model in (Outbox, Suppression):
        if model._meta.db_table in names:
            rows[model.__name__] = [
                [str(v) for v in row] for row in model.objects.order_by("id").values_list()
            ]
    return {"tables": names, "migrations": applied, "rows": rows}


def refused() -> str:
    """Try to reverse the migrations, which must be refused and change nothing; return what is said."""
    before = our_state()
    try:
        command("migrate", OURS, "0001")
    except CommandError as error:
        assert our_state() == before
        return str(error)
    return ""


def published() -> list[Fields]:
    """Return the fields of what was published since the last time."""
    names = ("event", "user", "insert_id", "time", "data")
    found = [tuple(event.get(name, "") for name in names) for event in Queue.events]
    Queue.events.clear()
    return sorted(found)


def forward(upgrade: Callable[[], None]) -> dict[str, Any]:
    """Upgrade the old app's site, and send from its call sites."""
    for app in SITE:
        command("migrate", app)
    command("migrate", OURS, "0001")
    fill()
    old, first = tables(), our_state()
    upgrade()
    kept = tables() == old
    collected = sorted(path.name for path in Path(os.environ["STATIC"], OURS).iterdir())
    expected = send_as_ever()
    steps("6. See that events leave")()
    command("mixpanel_outbox", "drain")
    return {"first": first, "kept": kept, "static": collected, "events": [published(), sorted(expected)]}


def back() -> dict[str, Any]:
    """Try to go back while rows would be lost, then as the page says."""
    done: dict[str, Any] = {}
    before = tables()
    Event(event="Waits", user="7").send()
    done["while one waits"] = refused()
    Outbox.objects.update(state=Outbox.State.PARKED, reason="too large")
    done["while one is parked"] = refused()
    Outbox.objects.all().delete()
    Suppression.objects.create(user="9")
    done["while one is suppressed"] = refused()
    Suppression.objects.all().delete()
    Event(event="Waits", user="7").send()
    Outbox.objects.create(encoded="{}", identity="distinct_id", state=Outbox.State.PARKED, reason="too large")
    steps("Rolling back")()
    drained = [event[0] for event in published()]
    return done | {"back": our_state(), "kept when back": tables() == before, "drained when back": drained}


def again(upgrade: Callable[[], None]) -> dict[str, Any]:
    """Upgrade once more."""
    before = tables()
    upgrade()
    done: dict[str, Any] = {"again": our_state(), "kept again": tables() == before}
    expected = send_as_ever()
    command("mixpanel_outbox", "drain")
    return done | {"events again": [published(), sorted(expected)]}


if __name__ == "__main__":
    do_upgrade = steps("4. Migrate and collect")
    sys.stdout.write(json.dumps(forward(do_upgrade) | back() | again(do_upgrade)))
