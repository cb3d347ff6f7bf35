"""`created_at` is set by the database's clock, which all processes share."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    """Give `created_at` a default in the database. Rows do not change; older code continues to work."""

    dependencies: ClassVar = [("whyness_mixpanel", "0004_deliveryfailure")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="outbox",
            name="created_at",
            field=models.DateTimeField(db_default=Now()),
        ),
    ]
