"""The model of the admin's page of failures, with its permissions. No SQL."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    """Add the proxy model `DeliveryFailure`."""

    dependencies: ClassVar = [("whyness_mixpanel", "0003_suppression")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="DeliveryFailure",
            fields=[],
            options={
                "verbose_name": "delivery failure",
                "verbose_name_plural": "delivery failures",
                "permissions": (("redrive_deliveryfailure", "Can send delivery failures again"),),
                "default_permissions": ("view",),
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("whyness_mixpanel.log",),
        ),
    ]
