"""The old log, read-only. Paged by key alone, so that millions of rows are as fast as ten."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from whyness_mixpanel.admin.log_filters import whole_number
from whyness_mixpanel.models import Log

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Log]
else:
    _Admin = admin.ModelAdmin

PER_PAGE = 100
# The largest value of the column.
_LARGEST_KEY = 2**31 - 1
_MESSAGE_CHARACTERS = 200


@admin.register(Log)
class LogAdmin(_Admin):
    """A list paged by key. Nothing is counted, searched, or sorted by another column."""

    fields = ("id", "create_date", "status_code", "message")
    readonly_fields = fields

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Show PER_PAGE rows from a key downwards, newest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        top = whole_number(request.GET.get("from", ""), most=_LARGEST_KEY)
        rows = Log.objects.all() if top is None else Log.objects.filter(id__lte=top)
        shown = rows.annotate(short_message=Substr("message", 1, _MESSAGE_CHARACTERS))
        page = list(
            shown.order_by("-id").values("id", "create_date", "status_code", "short_message")[: PER_PAGE + 1]
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Old log",
            "opts": self.opts,
            "rows": page[:PER_PAGE],
            "older": page[PER_PAGE]["id"] if len(page) > PER_PAGE else None,
            "top": top,
            "wrong": top is None and bool(request.GET.get("from")),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/whyness_mixpanel/log_list.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """Return False: the log is read-only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Log | None = None) -> bool:  # noqa: ARG002
        """Return False: the log is read-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Log | None = None) -> bool:  # noqa: ARG002
        """Return False: the log is read-only."""
        return False
