"""django.tasks: a worker publishes what waits in the outbox.

Put it into an app of the site. django.tasks has no timetable: enqueue this once a minute by whatever your
backend has for that, or where events are sent: `transaction.on_commit(drain_mixpanel_outbox.enqueue)`. Use a
backend that has workers: with Django's own ImmediateBackend a page waits for the queue.
"""

from django.core.management import call_command
from django.tasks import task  # before Django 6.0: from django_tasks import task (pip install django-tasks)


@task
def drain_mixpanel_outbox() -> None:
    """Publish what waits. It fails where the queue does not take everything: the next run tries again."""
    call_command("mixpanel_outbox", "drain", verbosity=0)
