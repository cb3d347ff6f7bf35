"""Registered users and the log of what they do: the tables of the Whyness site that events come from."""

import uuid

from django.db import models

NOBODY_ID = 1


class AuthUser(models.Model):
    """A registered user. The one with id 1 stands for anonymous visitors."""

    uid = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=100, blank=True)
    email = models.EmailField(blank=True)
    xref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    def __str__(self) -> str:
        return self.name or self.uid


class UserAgent(models.Model):
    """A User-Agent header; each one is stored once."""

    useragent = models.CharField(max_length=500, unique=True)

    def __str__(self) -> str:
        return self.useragent


class TrackerItem(models.Model):
    """A kind of activity; its title is the event's name."""

    title = models.CharField(max_length=100, unique=True)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.title


class TrackerLog(models.Model):
    """An activity of a user."""

    user = models.ForeignKey(AuthUser, on_delete=models.CASCADE)
    item = models.ForeignKey(TrackerItem, on_delete=models.CASCADE)
    ip = models.GenericIPAddressField(default="::1")
    useragent = models.ForeignKey(UserAgent, on_delete=models.PROTECT)
    method = models.CharField(max_length=20)
    create_date = models.DateTimeField(auto_now_add=True)

    class Meta:  # noqa: D106  (Django's own)
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.item} {self.create_date}"
