"""`manage.py seed`: people and destinations for the example."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from example.whyness_crm.models import Contact, TrackerDestination
from example.whyness_django.models import NOBODY_ID, AuthUser

_NAMES = (
    "Ada",
    "Brendan",
    "Chiara",
    "Dawit",
    "Emeka",
    "Fatima",
    "Goro",
    "Hanna",
    "Ines",
    "João",
    "Kirsi",
    "Lucía",
)
_DESTINATIONS = (("Spring newsletter", "/?from=newsletter"), ("Workshop invitation", "/?from=workshop"))


class Command(BaseCommand):
    """Create the missing people and destinations."""

    help = "Create people and destinations, and print their ids and xrefs as a line of JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --users and --contacts."""
        parser.add_argument("--users", type=int, default=12, help="registered users (default: 12)")
        parser.add_argument("--contacts", type=int, default=12, help="prospects (default: 12)")

    @transaction.atomic
    def handle(self, *, users: int, contacts: int, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Seed."""
        nobody = {"name": "Nobody"}
        AuthUser.objects.get_or_create(id=NOBODY_ID, defaults={"uid": "nobody", **nobody})
        Contact.objects.get_or_create(id=NOBODY_ID, defaults=nobody)
        for number in range(1, users + 1):
            name = _name(number)
            AuthUser.objects.get_or_create(
                uid=f"user-{number}", defaults={"name": name, "email": f"user-{number}@example.org"}
            )
        for number in range(1, contacts + 1):
            Contact.objects.get_or_create(
                email=f"contact-{number}@example.org", defaults={"name": _name(number + 5)}
            )
        for title, url in _DESTINATIONS:
            TrackerDestination.objects.get_or_create(title=title, defaults={"url": url})
        self.stdout.write(json.dumps(_seeded(), ensure_ascii=False))


def _name(number: int) -> str:
    name, again = _NAMES[number % len(_NAMES)], number // len(_NAMES)
    return f"{name} {again + 1}" if again else name


def _seeded() -> dict[str, list[dict[str, Any]]]:
    users = AuthUser.objects.exclude(id=NOBODY_ID).order_by("id")
    contacts = Contact.objects.exclude(id=NOBODY_ID).order_by("id")
    destinations = TrackerDestination.objects.order_by("id")
    return {
        "users": [{"id": user.id, "xref": str(user.xref)} for user in users],
        "contacts": [{"id": contact.id, "xref": str(contact.xref)} for contact in contacts],
        "destinations": [{"title": row.title, "xref": str(row.xref)} for row in destinations],
    }
