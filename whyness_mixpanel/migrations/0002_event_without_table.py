"""`Event` is no model any more: the migrations forget it, and the database is not touched."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    """Take `Event` out of the state, without SQL."""

    dependencies: ClassVar = [("whyness_mixpanel", "0001_initial")]
    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Event")]),
    ]
