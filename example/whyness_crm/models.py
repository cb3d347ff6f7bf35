"""Contacts, and clicks on the links sent to them: the other tables that events come from."""

import uuid

from django.db import models

from example.whyness_django.models import AuthUser

NOBODY_ID = 1


class Contact(models.Model):
    """A person who receives mail: a prospect, until registered. The one with id 1 stands for nobody."""

    name = models.CharField(max_length=100, blank=True)
    email = models.EmailField(blank=True)
    xref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    is_prospect = models.BooleanField(default=True)
    is_registered = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name or self.email


class TrackerDestination(models.Model):
    """The destination of a link."""

    title = models.CharField(max_length=100)
    url = models.CharField(max_length=500)
    xref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    def __str__(self) -> str:
        return self.title


class AuthUserTrackerClick(models.Model):
    """A registered user followed a link."""

    destination = models.ForeignKey(TrackerDestination, on_delete=models.CASCADE)
    contact = models.ForeignKey(AuthUser, on_delete=models.CASCADE)
    update_ip = models.GenericIPAddressField(default="::1")
    create_date = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.destination} {self.create_date}"


class ContactTrackerClick(models.Model):
    """A prospect followed a link."""

    destination = models.ForeignKey(TrackerDestination, on_delete=models.CASCADE)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE)
    update_ip = models.GenericIPAddressField(default="::1")
    create_date = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.destination} {self.create_date}"
