"""The outbox: what waits, what is parked and why, and its release."""

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
    """Counts no further than MOST_COUNTED: nobody pages through what is beyond, and it is not shown."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most MOST_COUNTED."""
        rows = self.object_list[:MOST_COUNTED]
        return rows.count() if isinstance(rows, QuerySet) else len(rows)


@admin.register(Outbox)
class OutboxAdmin(_Admin):
    """Read-only; a parked event can be released, or deleted by somebody who gives it up."""

    list_display = ("id", "state", "created_at", "attempts", "why")
    list_filter = ("state",)
    ordering = ("id",)
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    actions = ("release",)
    fields = readonly_fields = parked.FIELDS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Outbox]":
        """Return the rows; in lists without the event itself, which is large and personal."""
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
        """Let the relay have those that keep the rules now; the others keep a reason that is true today."""
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
        """Give up a parked event; one that was released since the page was asked for stays."""
        if not parked.delete([obj.pk], router.db_for_write(Outbox)):
            raise PermissionDenied

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Who may change rows may release them."""
        return request.user.has_perm("whyness_mixpanel.change_outbox")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """Nobody writes rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Outbox | None = None) -> bool:  # noqa: ARG002
        """Nobody edits rows: an event is what was sent."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Outbox | None = None) -> bool:
        """Who may release rows may look at them."""
        return super().has_view_permission(request, obj) or self.has_release_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Outbox | None = None) -> bool:
        """A single parked event can be given up; what is pending is the drain's."""
        is_parked = obj is not None and obj.state == Outbox.State.PARKED
        return is_parked and super().has_delete_permission(request, obj)
