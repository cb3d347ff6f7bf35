"""`Event` is no longer a model, which changes no database. Adds the outbox."""

from typing import ClassVar

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.exceptions import IrreversibleError


def refuse_while_rows_wait(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Raise IrreversibleError if dropping the table would lose events."""
    rows = apps.get_model("whyness_mixpanel", "Outbox").objects.using(schema_editor.connection.alias)
    if count := rows.count():
        raise IrreversibleError(
            f"The outbox has {count} unpublished events. Before reversing this migration, run "
            "'manage.py mixpanel_outbox drain', and release or delete the parked events."
        )


class Migration(migrations.Migration):
    """Remove `Event` from the state, without SQL, and add the outbox."""

    refuse_reversal = staticmethod(refuse_while_rows_wait)
    dependencies: ClassVar = [("whyness_mixpanel", "0001_initial")]
    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Event")]),
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("encoded", models.TextField()),
                ("identity", models.CharField(max_length=20)),
                ("user", models.CharField(blank=True, db_index=True, default="", max_length=255)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "pending"), ("parked", "parked")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("claimed_by", models.CharField(blank=True, default="", max_length=32)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={"verbose_name": "event waiting", "verbose_name_plural": "events waiting"},
        ),
        migrations.AddIndex(
            model_name="outbox",
            index=models.Index(fields=["state", "id"], name="whyness_outbox_state_id"),
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_while_rows_wait, elidable=False),
    ]
