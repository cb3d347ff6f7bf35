"""Scrubs secrets, leaves out suppressed people, and forgets people. Sites use `refuse_suppressed`."""

from typing import Any


def refuse_suppressed(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the event unchanged, for `whyness_ops.Redrive(edit=…)`; see `filters.refuse_suppressed`."""
    from whyness_mixpanel.privacy import filters  # noqa: PLC0415  (models cannot be imported while apps are loading)

    return filters.refuse_suppressed(raw)
