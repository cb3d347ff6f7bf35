"""The people whose profiles are refused, read-only."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db import router
from django.http import HttpRequest

from whyness_mixpanel.admin.outbox_admin import BoundedPaginator
from whyness_mixpanel.models import PersonState

if TYPE_CHECKING:
    from django.db.models import QuerySet

    _Admin = admin.ModelAdmin[PersonState]
else:
    _Admin = admin.ModelAdmin


@admin.register(PersonState)
class PersonStateAdmin(_Admin):
    """Who is refused, and why. The table has no values of profiles."""

    list_display = ("person", "source", "reason", "sent_at")
    list_filter = ("source",)
    search_fields = ("=person",)
    ordering = ("source", "key")
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = readonly_fields = ("source", "person", "state", "reason", "sent_at", "unsure_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PersonState]":
        """Return those that are refused."""
        rows = (
            super().get_queryset(request).using(router.db_for_write(PersonState))
        )  # a replica may be behind
        return rows.filter(state=PersonState.State.REFUSED)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """Return False: only passes write rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: PersonState | None = None) -> bool:  # noqa: ARG002
        """Return False: as above."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PersonState | None = None) -> bool:  # noqa: ARG002
        """Return False: as above."""
        return False
