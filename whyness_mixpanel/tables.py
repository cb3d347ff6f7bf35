"""The app's tables: the outbox, the last audit, the log of older versions. Import them from `models`."""

from django.db import models
from django.db.models.functions import Now


class Outbox(models.Model):
    """One event that is not confirmed by the queue yet. Nearly empty while the queue works.

    `encoded` is the event's JSON exactly as it is sent, and `identity` its identity mode. A `parked` row
    waits for a person, with a `reason` that shows no value. A publisher marks a pending row with
    `claimed_by`; until `claimed_until` no other publisher claims it. A row that the queue refused keeps only
    `claimed_until`.
    """

    class State(models.TextChoices):
        """Whether a row may be published."""

        PENDING = "pending", "pending"
        PARKED = "parked", "parked"

    id = models.BigAutoField(primary_key=True)
    encoded = models.TextField()
    identity = models.CharField(max_length=20)
    user = models.CharField(max_length=255, blank=True, default="", db_index=True)
    created_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reason = models.TextField(blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    claimed_by = models.CharField(max_length=32, blank=True, default="")
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Names, and the index in the order of publishing."""

        verbose_name = "event waiting"
        verbose_name_plural = "events waiting"
        indexes = (models.Index(fields=("state", "id"), name="whyness_outbox_state_id"),)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class LastAudit(models.Model):
    """What the last audit found, in the fields of its line: counts only. There is one row, or none."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    line = models.JSONField()

    class Meta:
        """Names; no page shows it."""

        verbose_name = "last audit"
        verbose_name_plural = "last audit"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.line.get("at"))


class Log(models.Model):
    """The log of older versions, one row per event they sent. Read-only."""

    id = models.AutoField(primary_key=True)
    create_date = models.DateTimeField(auto_now_add=True)
    status_code = models.PositiveSmallIntegerField("Status code", default=0)
    message = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.create_date} {self.status_code}"
