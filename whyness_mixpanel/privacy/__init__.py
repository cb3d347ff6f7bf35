"""Scrubs secrets, leaves out suppressed people, and forgets people. Sites use `refuse_suppressed`."""

from typing import Any


def refuse_suppressed(raw: Any) -> Any:
    """Return the event unchanged, for `whyness_ops.Redrive(edit=…)`; see `redrive_check`."""
    from whyness_mixpanel.privacy import redrive_check  # noqa: PLC0415  (models cannot be imported while apps are loading)

    return redrive_check.refuse_suppressed(raw)
