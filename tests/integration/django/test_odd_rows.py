"""What only PostgreSQL holds, and Python cannot: a row of it holds up no other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.django.postgres import PostgresMissing, server

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
sys.path[:0] = [".", "functions/send_events"]
from django.conf import settings
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.contenttypes", "example.whyness_django", "example.whyness_crm", "whyness_mixpanel"
    ],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
        "HOST": "127.0.0.1", "PORT": int(sys.argv[1]),
    }},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, TIME_ZONE="UTC",
    WHYNESS_MIXPANEL={"BACKEND": "locmem"},
)
import django
django.setup()
from django.core.management import CommandError, call_command
from django.db import connection
from tests.unit.django_app.rows import make_activities
call_command("migrate", verbosity=0)
make_activities(5)
with connection.cursor() as cursor:
    cursor.execute("select conname from pg_constraint where conrelid = 'whyness_django_trackerlog'::regclass"
                   " and contype = 'f'")
    for (name,) in cursor.fetchall():
        cursor.execute(f'alter table whyness_django_trackerlog drop constraint "{name}"')
    odd = {2: "create_date = 'infinity'", 3: "create_date = '0044-03-15 BC'", 4: "item_id = 999"}
    for key, change in odd.items():
        cursor.execute(f"update whyness_django_trackerlog set {change} where id = {key}")
call_command("mixpanel_backfill", "activity")
call_command("mixpanel_backfill", "activity", f"--resume={-10**30}")
for words in (["--activity=2"], [f"--activity={2**63}"], [f"--activity={-10**30}"]):
    try:
        call_command("events", *words)
    except CommandError as failed:
        print(failed)
"""


def test_dates_that_python_does_not_have_and_lost_relations_are_named() -> None:
    """By backfill and `events` alike; for a number beyond the column there is no row."""
    try:
        with server() as port:
            command = [sys.executable, "-c", SCRIPT, str(port)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)  # noqa: S603  (our own)
    except PostgresMissing as missing:
        pytest.skip(str(missing))

    assert done.returncode == 0, done.stderr
    lines = [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("HISTORY_BEFORE", "waiting", "server"))
    ]
    counts = [json.loads(line) for line in lines[:2]]
    assert [(each["read"], each["invalid"], each["published"]) for each in counts] == [(5, 3, 2)] * 2
    assert lines[2:] == [
        'Activity "2" was not published: the row cannot be read (DataError)',
        f'Activity "{2**63}" was not published: the row does not exist',
        f'Activity "{-(10**30)}" was not published: the row does not exist',
    ]
    named = [line for line in done.stderr.splitlines() if line.startswith("Row ")]
    assert named[:3] == [
        "Row 2 was skipped: it cannot be read (DataError)",
        "Row 3 was skipped: it cannot be read (DataError)",
        "Row 4 was skipped: its event cannot be built (DoesNotExist)",
    ]
