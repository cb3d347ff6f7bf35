"""The admin's pages of delivery failures. They read DynamoDB, never the model's table."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from whyness_mixpanel.models import DeliveryFailure

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[DeliveryFailure]
else:
    _Admin = admin.ModelAdmin

_TEMPLATES = "admin/whyness_mixpanel/failures"


@admin.register(DeliveryFailure)
class DeliveryFailureAdmin(_Admin):
    """Counts, list, look-up, detail, and sending again. No page fails when AWS does."""

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the pages, without those of a model."""
        wrap, name = self.admin_site.admin_view, "whyness_mixpanel_deliveryfailure"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("row/", wrap(self.row_view), name=f"{name}_row"),
            path("redrive/", wrap(self.redrive_view), name=f"{name}_redrive"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Show the chart and the list, or the rows of one insert id."""
        self._check(self.has_view_permission(request))
        from whyness_mixpanel.admin import failure_pages  # noqa: PLC0415  (botocore: not when a site starts)

        context = failure_pages.list_page(request.GET.dict())
        return self._page(request, "list", {**context, **(extra_context or {})})

    def row_view(self, request: HttpRequest) -> HttpResponse:
        """Show all values of a row."""
        self._check(self.has_view_permission(request))
        from whyness_mixpanel.admin import failure_pages  # noqa: PLC0415  (as above)

        return self._page(request, "row", failure_pages.row_page(request.GET.dict()))

    def redrive_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a confirmation; if it was given, send a part of the selected dead letters again."""
        self._check(self.has_redrive_permission(request))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        from whyness_mixpanel.admin import failure_pages  # noqa: PLC0415  (as above)

        name, context = failure_pages.redrive_page(request.POST, who=str(request.user.pk))
        return self._page(request, name, context)

    def has_view_permission(self, request: HttpRequest, obj: DeliveryFailure | None = None) -> bool:
        """Whether the user may view failures; who may send them again may view them too."""
        return super().has_view_permission(request, obj) or self.has_redrive_permission(request)

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send dead letters again."""
        return request.user.has_perm("whyness_mixpanel.redrive_deliveryfailure")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """Return False: this model has no rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: DeliveryFailure | None = None) -> bool:  # noqa: ARG002
        """Return False: this model has no rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeliveryFailure | None = None) -> bool:  # noqa: ARG002
        """Return False: this model has no rows."""
        return False

    def _check(self, is_allowed: bool) -> None:  # noqa: FBT001  (what it checks)
        if not is_allowed:
            raise PermissionDenied

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        common = {"opts": self.opts, "may_redrive": self.has_redrive_permission(request)}
        shown = {**self.admin_site.each_context(request), **common, **context}
        return TemplateResponse(request, f"{_TEMPLATES}/{name}.html", shown)
