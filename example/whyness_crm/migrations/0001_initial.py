"""The tables of contacts and clicks."""

import uuid
from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Create the tables."""

    initial = True

    dependencies: ClassVar = [
        ("whyness_django", "0001_initial"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=100)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("xref", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("is_prospect", models.BooleanField(default=True)),
                ("is_registered", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="TrackerDestination",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=100)),
                ("url", models.CharField(max_length=500)),
                ("xref", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="ContactTrackerClick",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("update_ip", models.GenericIPAddressField(default="::1")),
                ("create_date", models.DateTimeField(auto_now_add=True)),
                (
                    "contact",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="whyness_crm.contact"),
                ),
                (
                    "destination",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="whyness_crm.trackerdestination"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AuthUserTrackerClick",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("update_ip", models.GenericIPAddressField(default="::1")),
                ("create_date", models.DateTimeField(auto_now_add=True)),
                (
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="whyness_django.authuser"
                    ),
                ),
                (
                    "destination",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="whyness_crm.trackerdestination"
                    ),
                ),
            ],
        ),
    ]
