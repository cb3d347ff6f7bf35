"""The list of suppressed users."""

from typing import ClassVar

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.exceptions import IrreversibleError


def refuse_while_people_are_suppressed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Raise IrreversibleError if dropping the table would let their events be sent again."""
    rows = apps.get_model("whyness_mixpanel", "Suppression").objects.using(schema_editor.connection.alias)
    if count := rows.count():
        raise IrreversibleError(
            f"{count} users are suppressed. Before reversing this migration, save and empty the list."
        )


class Migration(migrations.Migration):
    """Add the table of `Suppression`."""

    refuse_reversal = staticmethod(refuse_while_people_are_suppressed)
    dependencies: ClassVar = [("whyness_mixpanel", "0002_event_without_table")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("user", models.CharField(max_length=255, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_at", models.DateTimeField(blank=True, null=True)),
                ("ask_count", models.PositiveSmallIntegerField(default=0)),
                ("tracking_id", models.CharField(blank=True, default="", max_length=255)),
                ("status", models.CharField(blank=True, default="", max_length=20)),
            ],
            options={"verbose_name": "suppressed user", "verbose_name_plural": "suppressed users"},
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_while_people_are_suppressed, elidable=False),
    ]
