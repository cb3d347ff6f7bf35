"""The app's tables: outbox, people's profiles, the log of older versions. Import them from `models`."""

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


class PersonState(models.Model):
    """A person's profile as Mixpanel confirmed it. `digest` is of what was sent, empty where it was deleted.

    `unsure_at` is when it last became unclear whether a request acted; such a person is sent once more.
    """

    class State(models.TextChoices):
        """What Mixpanel, or our own rules, said last."""

        SENT = "sent", "sent"
        REFUSED = "refused", "refused"
        DELETED = "deleted", "deleted"

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=16)
    key = models.BigIntegerField()
    person = models.CharField(max_length=40)
    digest = models.CharField(max_length=32, blank=True, default="")
    unsure_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Names, the order of the keys, and the way from a person."""

        verbose_name = "refused profile"
        verbose_name_plural = "refused profiles"
        constraints = (models.UniqueConstraint(fields=("source", "key"), name="whyness_personstate_key"),)
        indexes = (models.Index(fields=("person",), name="whyness_personstate_person"),)

    def __str__(self) -> str:
        return f"{self.source} {self.key} {self.state}"


class PersonLease(models.Model):
    """The lease of the one process that may send profiles; a single row.

    `proven` is the mark of the project from which a written profile was read back.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    owner = models.CharField(max_length=32, blank=True, default="")
    until = models.DateTimeField(db_default=Now())
    proven = models.CharField(max_length=32, blank=True, default="")

    def __str__(self) -> str:
        return f"until {self.until}"


class Log(models.Model):
    """The log of older versions, one row per event they sent. Read-only."""

    id = models.AutoField(primary_key=True)
    create_date = models.DateTimeField(auto_now_add=True)
    status_code = models.PositiveSmallIntegerField("Status code", default=0)
    message = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.create_date} {self.status_code}"
