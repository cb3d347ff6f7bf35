"""What is known of each profile at Mixpanel, and the lease of the process that sends them."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    """Add the tables of `PersonState` and `PersonLease`. No table that exists is touched."""

    dependencies: ClassVar = [("whyness_mixpanel", "0006_last_audit")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="PersonLease",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("owner", models.CharField(blank=True, default="", max_length=32)),
                ("until", models.DateTimeField(db_default=Now())),
                ("proven", models.CharField(blank=True, default="", max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="PersonState",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("source", models.CharField(max_length=16)),
                ("key", models.BigIntegerField()),
                ("person", models.CharField(max_length=40)),
                ("digest", models.CharField(blank=True, default="", max_length=32)),
                ("unsure_at", models.DateTimeField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        blank=True,
                        choices=[("sent", "sent"), ("refused", "refused"), ("deleted", "deleted")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "refused profile",
                "verbose_name_plural": "refused profiles",
                "indexes": [models.Index(fields=["person"], name="whyness_personstate_person")],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "key"), name="whyness_personstate_key")
                ],
            },
        ),
    ]
