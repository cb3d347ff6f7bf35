"""The app's tables: what waits to be published, and what older versions noted. Import from `models`."""

from django.db import models
from django.db.models.functions import Now


class Outbox(models.Model):
    """One event that is not known to be in the queue yet. All but empty while all is well.

    `encoded` is the exact wire JSON of the event and `identity` the mode it travels in. A `parked` row waits
    for a person, with a `reason` that shows no value. Who publishes a pending row marks it with `claimed_by`;
    until `claimed_until` nobody takes it, also where the queue did not take it and nobody has claimed it.
    """

    class State(models.TextChoices):
        """Whether the drain may take a row."""

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
        """Names and the drain's order."""

        verbose_name = "event waiting"
        verbose_name_plural = "events waiting"
        indexes = (models.Index(fields=("state", "id"), name="whyness_outbox_state_id"),)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class Log(models.Model):
    """What older versions noted of each event they sent. Kept as it is; nothing is written to it any more."""

    id = models.AutoField(primary_key=True)
    create_date = models.DateTimeField(auto_now_add=True)
    status_code = models.PositiveSmallIntegerField("Status code", default=0)
    message = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.create_date} {self.status_code}"
