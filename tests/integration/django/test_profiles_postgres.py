"""Passes over profiles on PostgreSQL, with both ways of binding parameters, with and without time zones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json, sys
sys.path[:0] = [".", "functions/send_events"]
from datetime import timedelta
from django.conf import settings
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.contenttypes", "example.whyness_django", "example.whyness_crm", "whyness_mixpanel"
    ],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": sys.argv[2], "USER": "postgres",
        "HOST": "127.0.0.1", "PORT": int(sys.argv[1]),
        "OPTIONS": {"server_side_binding": sys.argv[3] == "bound"},
    }},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=sys.argv[4] == "aware", TIME_ZONE="Asia/Tokyo",
    WHYNESS_MIXPANEL={"BACKEND": "locmem", "ANONYMOUS_USERS": []},
)
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from example.whyness_django.models import AuthUser, TrackerLog
from tests.unit.django_app.people.fake_engage import PROJECT, FakeMixpanel, run
from tests.unit.django_app.rows import make_activities
from whyness_mixpanel.models import PersonState
from whyness_mixpanel.people import Profile
from whyness_mixpanel.people.engage import Reply
from whyness_mixpanel.people.forgotten import delete_profiles
from whyness_mixpanel.people.state import Sender
call_command("migrate", verbosity=0)
USER = Profile(name="user", model="whyness_django.AuthUser", build=lambda row: {"name": row.name})
LOG = Profile(
    name="log", model="whyness_django.TrackerLog", prefix="log:", build=lambda row: {"method": row.method},
    changed="create_date", prefetch=("user",),
)
mixpanel, found = FakeMixpanel(), []
def one(*profiles, **options):
    done = run(mixpanel, profiles or [USER], **options)
    assert done.ended is None, done.ended
    found.append({name: count for name, count in sorted(done.counts.items()) if count})
AuthUser.objects.bulk_create(AuthUser(id=key, uid=f"u{key}", name="a") for key in range(1, 2_502))
one()
one()
AuthUser.objects.filter(pk__lt=3).update(name="b")
mixpanel.before = lambda _: Reply(0)
one()
mixpanel.before = lambda _: None
one()
PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=11))
one()
delete_profiles(["3"], project=PROJECT, sender=Sender("forget"), post=mixpanel)
make_activities(3)
with connection.cursor() as cursor:
    cursor.execute("update whyness_django_trackerlog set create_date = 'infinity' where id = 2")
one(LOG)
now = PersonState.objects.get(key=1, source="log").sent_at
TrackerLog.objects.filter(pk=1).update(method="X", create_date=now)
one(LOG, is_recent=True)
reason = PersonState.objects.get(source="log", state="refused").reason
print(json.dumps([found, reason, len(mixpanel.people())]))
"""


@pytest.mark.parametrize("zone", ["aware", "naive"])
@pytest.mark.parametrize("binding", ["client", "bound"])
def test_pass_is_the_same_on_postgresql(postgres_port: int, binding: str, zone: str) -> None:
    """Leases, doubts by the database's clock, pages, rows that cannot be read, and what changed lately."""
    name = f"profiles_{binding}_{zone}"
    command = [sys.executable, "-c", SCRIPT, str(postgres_port), name, binding, zone]
    _create(postgres_port, name)

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603  (our own)

    assert done.returncode == 0, done.stderr
    found, reason, people = json.loads(done.stdout)
    assert found == [
        {"read": 2_501, "sent": 2_501},
        {"read": 2_501},
        {"read": 2_501, "unsure": 2},
        {"read": 2_501, "unsure": 2},
        {"read": 2_501, "sent": 2},
        {"read": 3, "refused": 1, "sent": 2},
        {"read": 2, "sent": 1},
    ]
    assert reason == "the row: it cannot be read (DataError)"
    assert people == 2_501 - 1 + 2


def _create(port: int, name: str) -> None:
    import psycopg  # noqa: PLC0415  (skipped without it)

    where = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
