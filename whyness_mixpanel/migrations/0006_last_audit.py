"""What the last audit found. Nothing is lost without it: reversing needs no care."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the table of `LastAudit`."""

    dependencies: ClassVar = [("whyness_mixpanel", "0005_created_by_the_database")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="LastAudit",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("line", models.JSONField()),
            ],
            options={
                "verbose_name": "last audit",
                "verbose_name_plural": "last audit",
                "default_permissions": (),
            },
        ),
    ]
