"""Celery: once a minute a worker publishes what waits in the outbox.

Put it beside the site's settings, and change the names. Run one beat and any number of workers; where one
machine does both: `celery -A whyness.mixpanel_outbox_celery worker -B`. A site that has a Celery app already
takes the task and its line of the timetable.
"""

import os

from celery import Celery
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whyness.settings")
app = Celery("whyness")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="drain_mixpanel_outbox", ignore_result=True)
def drain_mixpanel_outbox() -> None:
    """Publish what waits. It fails where the queue does not take everything: the next run tries again."""
    call_command("mixpanel_outbox", "drain", verbosity=0)


# What no worker has taken within the minute expires: the next one does the same.
app.conf.beat_schedule = {
    "drain-mixpanel-outbox": {"task": "drain_mixpanel_outbox", "schedule": 60, "options": {"expires": 60}},
}
