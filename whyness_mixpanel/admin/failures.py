"""The page of delivery failures: it reads DynamoDB, and nothing of the model's table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from whyness_events.dead_letter import moment
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import FAILURE_REASONS
from whyness_mixpanel.admin import asked, chart, stack
from whyness_mixpanel.admin.asked import PER_PAGE, Asked
from whyness_mixpanel.admin.redrive import redrive, seal, sent_keys, unseal
from whyness_mixpanel.models import DeliveryFailure
from whyness_ops import Snapshot

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[DeliveryFailure]
else:
    _Admin = admin.ModelAdmin

_TEMPLATES = "admin/whyness_mixpanel/failures"
_MOMENTS = ("first_failed_at", "last_failed_at", "redriven_at", "delivered_at", "started_at", "finished_at")


@admin.register(DeliveryFailure)
class DeliveryFailureAdmin(_Admin):
    """Counts, list, look-up, detail, and sending again. No page fails where AWS does."""

    def get_urls(self) -> list[URLPattern]:
        """Return the pages; there is no model's page among them."""
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
        question = Asked.read(request.GET.dict(), today=datetime.now(UTC).date())
        insert_id = request.GET.get("insert_id", "").strip()[:100]
        found: dict[str, Any] = {}
        fault = ""
        try:
            found = _look_up(insert_id) if insert_id else _list(question)
        except stack.FAULTS as error:
            fault = str(error)
        context = {
            "title": "Delivery failures",
            "asked": question,
            "insert_id": insert_id,
            "fault": fault,
            "periods": asked.PERIODS,
            "reasons": FAILURE_REASONS,
            "states": asked.STATES,
            **found,
            **(extra_context or {}),
        }
        return self._page(request, "list", context)

    def row_view(self, request: HttpRequest) -> HttpResponse:
        """Show all of a row."""
        self._check(self.has_view_permission(request))
        key = request.GET.get("pk", ""), request.GET.get("sk", "")
        rows: list[stack.Row] = []
        fault = ""
        try:
            rows = [row for row in (stack.read_row(key[0]) if key[0] else []) if row.get("sk") == key[1]]
        except stack.FAULTS as error:
            fault = str(error)
        context = {"title": "Delivery failure", "row": _shown(rows[0]) if rows else None, "fault": fault}
        return self._page(request, "row", {**context, "values": _values(rows[0]) if rows else []})

    def redrive_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether the chosen letters are to be sent again; where that was confirmed, send a slice."""
        self._check(self.has_redrive_permission(request))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen = request.POST.getlist("key")[: 2 * PER_PAGE]
        keys = sorted({text for text in chosen if LogKey.parse(text)})
        context: dict[str, Any] = {"keys": keys, "title": "Send again"}
        if not (keys and "confirmed" in request.POST):
            return self._page(request, "confirm", context)
        state = request.POST.get("state", "")
        snapshot = unseal(state) if state else Snapshot()
        if snapshot is None:
            return self._page(request, "confirm", context)
        try:
            report = redrive(keys, who=str(request.user.pk), snapshot=snapshot)
            context |= {"report": report, "goes_on": report.stopped and report.sent > 0}
        except stack.FAULTS as error:
            context["fault"] = str(error)
        context |= {"sent": len(sent_keys(snapshot, keys)), "state": seal(snapshot, keys)}
        return self._page(request, "progress", context)

    def has_view_permission(self, request: HttpRequest, obj: DeliveryFailure | None = None) -> bool:
        """Who may send again may look."""
        return super().has_view_permission(request, obj) or self.has_redrive_permission(request)

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send letters again."""
        return request.user.has_perm("whyness_mixpanel.redrive_deliveryfailure")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """There are no rows of this model."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: DeliveryFailure | None = None) -> bool:  # noqa: ARG002
        """There are no rows of this model."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeliveryFailure | None = None) -> bool:  # noqa: ARG002
        """There are no rows of this model."""
        return False

    def _check(self, is_allowed: bool) -> None:  # noqa: FBT001  (what it checks)
        if not is_allowed:
            raise PermissionDenied

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        common = {"opts": self.opts, "may_redrive": self.has_redrive_permission(request)}
        shown = {**self.admin_site.each_context(request), **common, **context}
        return TemplateResponse(request, f"{_TEMPLATES}/{name}.html", shown)


def _list(question: Asked) -> dict[str, Any]:
    read, is_cut = stack.read_rows(question.days, question.reasons)
    rows = [row for row in read if question.matches(row)]
    page_count = max(1, -(-len(rows) // PER_PAGE))
    page = min(question.page, page_count)
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    return {
        "chart": chart.draw(rows, question.days),
        "is_cut": is_cut,
        "rows": [_shown(row) for row in shown],
        "total": len(rows),
        "page": page,
        "page_count": page_count,
        "newer": question.query(p=page - 1) if page > 1 else "",
        "older": question.query(p=page + 1) if page < page_count else "",
    }


def _look_up(insert_id: str) -> dict[str, Any]:
    rows = stack.read_row(insert_id)
    return {"rows": [_shown(row) for row in rows], "total": len(rows), "page": 1, "page_count": 1}


def _shown(row: stack.Row) -> dict[str, Any]:
    """Return a row as templates show it."""
    at = str(row.get("gsi1sk", "")).partition("#")[0]
    extra = {"key": asked.row_key(row), "at": at[:19].replace("T", " "), "can_redrive": asked.is_letter(row)}
    return {**row, **extra}


def _values(row: stack.Row) -> Sequence[tuple[str, object]]:
    """Return a row's attributes by name, moments as people read them."""
    hidden = {"gsi1pk", "gsi1sk"}
    return [
        (name, _readable(name, value))
        for name, value in sorted(row.items(), key=lambda item: item[0])
        if name not in hidden
    ]


def _readable(name: str, value: object) -> object:
    if name in _MOMENTS and isinstance(value, int):
        return moment(value) or value
    if name == "expires_at" and isinstance(value, int):
        return moment(value * 1000) or value
    return value
