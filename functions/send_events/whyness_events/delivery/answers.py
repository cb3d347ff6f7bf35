"""Pure and total: what an HTTP answer means for the events of its request.

Source of the shapes: docs.mixpanel.com/reference/import-events and its OpenAPI file, 2026-11-23; proxies
and load balancers in between answer whatever they like.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

import msgspec

from whyness_events.delivery.ports import Answer

_OK, _PARTIAL = 200, 400
RETRY_AFTER_CAP_S = 900.0
_SAFE_TEXT_CHARS = 200


class Reaction(Enum):
    """What to do with the events that the answer does not name."""

    CONFIRMED = auto()
    RETRY = auto()
    THROTTLED = auto()
    SETUP = auto()
    UNAUTHORISED = auto()
    SPLIT = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    Args:
        reaction: for the events that are not named.
        status: HTTP status, 0 where no answer came.
        detail: a safe sentence.
        named: index in the request → safe reason. Rejected where `reaction` is CONFIRMED; where it is
            SPLIT, only to be sent apart from the others, for the answer cannot be trusted.
        retry_after_s: what the server asked for, capped; None where it did not.
    """

    reaction: Reaction
    status: int
    detail: str
    named: Mapping[int, str] = field(default_factory=dict)
    retry_after_s: float | None = None


def judge(answer: Answer, insert_ids: Sequence[str], *, now_s: float) -> Verdict:
    """Return what `answer` means for the events sent, given by insert id in the order sent."""
    status = answer.status
    if answer.error:
        return Verdict(Reaction.RETRY, 0, f"no whole answer from Mixpanel: {answer.error}")
    if status in (_OK, _PARTIAL):
        return _judge_report(answer, insert_ids)
    reaction = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, Reaction.RETRY)
    retry_after_s = parse_retry_after(answer.retry_after, now_s=now_s)
    return Verdict(reaction, status, f"Mixpanel answered {status}", retry_after_s=retry_after_s)


_BY_STATUS = {
    401: Reaction.UNAUTHORISED,
    403: Reaction.SPLIT,  # a proxy that dislikes one string; or all of them
    408: Reaction.RETRY,
    413: Reaction.SPLIT,
    425: Reaction.RETRY,
    429: Reaction.THROTTLED,
}
_BY_CLASS = {3: Reaction.SETUP, 4: Reaction.SETUP}  # the rest, 5xx above all, passes by itself


def _judge_report(answer: Answer, insert_ids: Sequence[str]) -> Verdict:
    status = answer.status
    try:
        report = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        report = None
    if not isinstance(report, dict):
        reaction = Reaction.SPLIT if status == _PARTIAL else Reaction.RETRY
        return Verdict(reaction, status, f"Mixpanel answered {status} with a body that is no report")
    named = _named(report.get("failed_records"), insert_ids)
    imported = report.get("num_records_imported")
    # A 200 that names anybody contradicts itself.
    adds_up = type(imported) is int and imported + len(named) == len(insert_ids)
    if adds_up and (status == _PARTIAL or not named):
        return Verdict(Reaction.CONFIRMED, status, "", named)
    detail = f"Mixpanel answered {status} with a report that does not add up"
    return Verdict(Reaction.SPLIT, status, detail, named)


def _named(entries: object, insert_ids: Sequence[str]) -> dict[int, str]:
    """Return the entries that surely speak of an event sent: its index, and its id if there is one."""
    named: dict[int, str] = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        index = entry.get("index")
        if type(index) is int and 0 <= index < len(insert_ids) and _ids_agree(entry, insert_ids[index]):
            named.setdefault(index, _safe_reason(entry))
    return named


def _ids_agree(entry: Mapping[str, Any], sent: str) -> bool:
    # Mixpanel's own pages disagree on the key's name; either may also be null or "" for "unknown".
    return all(not (found := entry.get(key)) or found == sent for key in ("insert_id", "$insert_id"))


_SAFE_FIELDS = frozenset(
    {
        "event",
        "properties",
        *(
            prefix + name
            for prefix in ("", "properties.")
            for name in (
                "time",
                "ip",
                "distinct_id",
                "$insert_id",
                "$user_id",
                "$device_id",
                "$browser",
                "$os",
            )
        ),
    }
)
# A name may hold anything, blanks included: masked up to the words that end it, or to the end.
_PROPERTY_PATH = re.compile(r"properties\..*(?= is invalid| must )|properties\..*", re.DOTALL)
# What Mixpanel's own texts go on with. Source: the answers quoted in its documentation, 2026-11-23.
_AFTER_A_QUOTE = (" is ", " must ", " characters")
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"


def _safe_reason(entry: Mapping[str, Any]) -> str:
    where, message = entry.get("field"), entry.get("message")
    path = where if isinstance(where, str) and where in _SAFE_FIELDS else "properties.*"
    return f"{path}: Mixpanel says: {safe_text(message)}" if isinstance(message, str) else f"{path}: refused"


def safe_text(text: str) -> str:
    """Return another's text without what it may quote: values in quotes, paths of the caller's properties."""
    masked = _PROPERTY_PATH.sub("properties.*", _mask_quoted(text))
    return "".join(char if char.isprintable() else " " for char in masked[:_SAFE_TEXT_CHARS])


def _mask_quoted(text: str) -> str:
    """Mask from the first quote to the last, for a value may hold quotes; to the end if that is in doubt."""
    places = [place for place, char in enumerate(text) if char in _QUOTES]
    if not places:
        return text
    rest = text[places[-1] + 1 :]
    is_closed = len(places) % 2 == 0 and rest.startswith(_AFTER_A_QUOTE)
    return f"{text[: places[0]]}'*'{rest if is_closed else ''}"


def parse_retry_after(header: str, *, now_s: float) -> float | None:
    """Return seconds from a Retry-After header in either form, 0 to 900; None where there is none to read.

    Source: RFC 9110 section 10.2.3.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_CAP_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now_s, 0.0), RETRY_AFTER_CAP_S)
