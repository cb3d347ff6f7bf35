"""Packs encoded events, hands them to the backend, counts what comes of it, and logs each fault once."""

import logging
import re
from collections.abc import Sequence

from whyness_mixpanel import backends, conf, counters, packing

logger = logging.getLogger("whyness_mixpanel")

_SAFE_CODE = re.compile(r"[A-Za-z0-9.]{1,100}").fullmatch

_standing_fault = ""


def publish(encoded: Sequence[str]) -> bool:
    """Publish events that `Event.json()` made, now; True when the queue confirmed each of them."""
    published = 0
    fault = ""
    try:
        send = backends.get_publish(conf.BACKEND.get())
        for call in packing.calls(packing.pack(encoded, identity=conf.IDENTITY.get())):
            answer = send([message.body for message in call])
            published += sum(call[index].event_count for index in answer.confirmed)
            fault = fault or _safe_code(answer.refusal)
    except Exception as error:  # noqa: BLE001  (whatever ails the queue, the page goes on; counted and logged)
        fault = name_fault(error)
    record(published=published, failed=len(encoded) - published, fault=fault)
    return published == len(encoded)


def record(*, published: int = 0, failed: int = 0, fault: str = "") -> None:
    """Count the events of one attempt, and log where things turned for the worse or the better.

    Args:
        published: how many are safe.
        failed: how many are not.
        fault: what was wrong, free of anything that was sent; not looked at where none failed.
    """
    global _standing_fault
    counters.add("published", published)
    counters.add("failed", failed)
    before, _standing_fault = _standing_fault, (fault or "incomplete answer") if failed else ""
    if _standing_fault and _standing_fault != before:
        logger.warning("Publishing fails: %s. Logged again when that changes.", _standing_fault)
    elif before and not _standing_fault:
        logger.info("Publishing works again.")


def name_fault(error: Exception) -> str:
    """Return what `error` is, without its text where that may quote what was sent."""
    if isinstance(error, conf.SettingError):
        return str(error)
    answer = getattr(error, "response", None)  # botocore.exceptions.ClientError: what SQS said
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return _safe_code(str(code)) if code else type(error).__name__


def _safe_code(code: str) -> str:
    return code if not code or _SAFE_CODE(code) else "a refusal without a readable code"
