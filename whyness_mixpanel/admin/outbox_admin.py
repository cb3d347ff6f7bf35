"""The outbox: pending and parked events, and the release of parked ones."""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import router
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import HttpRequest
from django.utils.functional import cached_property

from whyness_mixpanel.models import Outbox
from whyness_mixpanel.publishing import parked
from whyness_mixpanel.views import MOST_COUNTED

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Outbox]
    _Paginator = Paginator[Outbox]
else:
    _Admin, _Paginator = admin.ModelAdmin, Paginator


class BoundedPaginator(_Paginator):
    """Counts up to MOST_COUNTED, and shows no rows beyond."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most MOST_COUNTED."""
        rows = self.object_list[:MOST_COUNTED]
        return rows.count() if isinstance(rows, QuerySet) else len(rows)


@admin.register(Outbox)
class OutboxAdmin(_Admin):
    """Read-only; a parked event can be released or deleted."""

    list_display = ("id", "state", "created_at", "attempts", "why")
    list_filter = ("state",)
    ordering = ("id",)
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    actions = ("release",)
    fields = readonly_fields = parked.FIELDS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Outbox]":
        """Return the rows; in the list without the event itself, which is large and personal data."""
        rows = super().get_queryset(request).using(router.db_for_write(Outbox))  # a replica may be behind
        match = request.resolver_match
        if match and match.url_name == "whyness_mixpanel_outbox_changelist":
            return rows.defer("encoded", "reason").annotate(short_reason=Substr("reason", 1, 200))
        return rows

    @admin.display(description="reason")
    def why(self, row: Outbox) -> str:
        """Return the beginning of the reason."""
        return str(getattr(row, "short_reason", row.reason))

    @admin.action(description="Release selected parked events", permissions=["release"])
    def release(self, request: HttpRequest, rows: "QuerySet[Outbox]") -> None:
        """Release the rows whose events are valid now, and update the reasons of the others."""
        ids = parked.ids_of(rows)[:MOST_COUNTED]
        released, kept = parked.release(ids, rows.db)
        if released:
            self.message_user(
                request, f"Released: {released}. They are published within a minute, or by the next drain."
            )
        if kept:
            self.message_user(request, f"Still parked: {kept}. The list shows the reasons.", messages.WARNING)
        if not ids:
            self.message_user(
                request, "None of the selected events is parked, so nothing was released.", messages.WARNING
            )

    def delete_model(self, request: HttpRequest, obj: Outbox) -> None:  # noqa: ARG002  (Django's signature)
        """Delete a parked event, unless it was released in the meantime."""
        if not parked.delete([obj.pk], router.db_for_write(Outbox)):
            raise PermissionDenied

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the user may release rows: with the permission to change them."""
        return request.user.has_perm("whyness_mixpanel.change_outbox")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """Return False: only `send()` writes rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Outbox | None = None) -> bool:  # noqa: ARG002
        """Return False: an event stays as it was sent."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Outbox | None = None) -> bool:
        """Whether the user may view rows; who may release them may view them too."""
        return super().has_view_permission(request, obj) or self.has_release_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Outbox | None = None) -> bool:
        """Whether the user may delete this row: only a parked one, never a pending one."""
        is_parked = obj is not None and obj.state == Outbox.State.PARKED
        return is_parked and super().has_delete_permission(request, obj)
