"""Pure and total: what an HTTP answer means for the events of its request.

Source of the shapes: docs.mixpanel.com/reference/import-events and its OpenAPI file, 2026-11-23. Proxies and
load balancers in between may answer anything.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from msgspec import Struct, field

from whyness_events.delivery.mixpanel.error_text import decode_json, texts_of
from whyness_events.delivery.mixpanel.safe_text import Carried, safe_texts
from whyness_events.delivery.mixpanel.vocabulary import FIELDS
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason

_OK, _PARTIAL = 200, 400
_REPORT_FIELDS = ("num_records_imported", "failed_records")
RETRY_AFTER_CAP_S = 900.0
# Read of a body that is not JSON, to name its kind.
_BEGINNING_BYTES = 1_000


class Reaction(Enum):
    """What to do with the events that an answer does not name; `Sender` gives them their outcome."""

    CONFIRMED = auto()
    RETRY = auto()
    THROTTLED = auto()
    SETUP = auto()
    UNAUTHORISED = auto()
    SPLIT = auto()


# The outcome of an event that waits after such an answer. CONFIRMED is among them, because an event that has
# passed before, and is sent between suspects, may be named in a report.
_WAITING_REASONS = {
    Reaction.CONFIRMED: Reason.SETUP,
    Reaction.RETRY: Reason.RETRY,
    Reaction.THROTTLED: Reason.THROTTLED,
    Reaction.SETUP: Reason.SETUP,
    Reaction.UNAUTHORISED: Reason.SETUP,
    Reaction.SPLIT: Reason.SETUP,
}


class Verdict(Struct, frozen=True):
    """What an answer means.

    Args:
        reaction: for the events that are not named.
        status: HTTP status; 0 if there was no answer.
        detail: a safe sentence.
        named: index in the request → safe reason. With CONFIRMED these events are rejected. With SPLIT they
            are only sent apart from the others, and the reason is empty, because the answer cannot be
            trusted.
        retry_after_s: the pause that the server asked for, at most 900 s; None if it did not.
    """

    reaction: Reaction
    status: int
    detail: str
    named: Mapping[int, str] = field(default_factory=dict)
    retry_after_s: float | None = None

    @property
    def waiting_reason(self) -> Reason:
        """The outcome of an event that waits after this answer."""
        return _WAITING_REASONS[self.reaction]


def judge(
    answer: Answer, insert_ids: Sequence[str], *, now_s: float, carried: Carried = lambda: ()
) -> Verdict:
    """Return what `answer` means for the events sent.

    Args:
        answer: to the request.
        insert_ids: of the events, in the order sent.
        now_s: seconds since the epoch.
        carried: returns the events as sent, so that none of their words is repeated; see safe_texts.
    """
    status = answer.status
    if answer.error:
        return Verdict(Reaction.RETRY, 0, f"Mixpanel gave no complete answer: {answer.error}")
    document = decode_json(answer.body, len(insert_ids))
    if status in (_OK, _PARTIAL):
        return _judge_report(answer, document, insert_ids, carried)
    reaction = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, Reaction.RETRY)
    retry_after_s = parse_retry_after(answer.retry_after, now_s=now_s)
    return Verdict(reaction, status, _detail(answer, document, carried), retry_after_s=retry_after_s)


_BY_STATUS = {
    401: Reaction.UNAUTHORISED,
    403: Reaction.SPLIT,  # a proxy may refuse one event, or all of them
    408: Reaction.RETRY,
    413: Reaction.SPLIT,
    425: Reaction.RETRY,
    429: Reaction.THROTTLED,
}
_BY_CLASS = {3: Reaction.SETUP, 4: Reaction.SETUP}  # others, mainly 5xx, are temporary


def _judge_report(answer: Answer, document: object, insert_ids: Sequence[str], carried: Carried) -> Verdict:
    report = document if isinstance(document, dict) else {}
    named = _named(report.get("failed_records"), insert_ids)
    imported = report.get("num_records_imported")
    # A 200 that names an event contradicts itself.
    adds_up = type(imported) is int and imported + len(named) == len(insert_ids)
    if adds_up and (answer.status == _PARTIAL or not named):
        return Verdict(Reaction.CONFIRMED, answer.status, "", _reasons(named, carried))
    is_page = answer.status == _OK and not isinstance(document, dict)
    reaction = Reaction.RETRY if is_page else Reaction.SPLIT
    return Verdict(reaction, answer.status, _detail(answer, document, carried), dict.fromkeys(named, ""))


def _detail(answer: Answer, document: object, carried: Carried) -> str:
    """Return the answer's status, and its sender's words if they are safe, or else its kind of body."""
    safe = safe_texts(texts_of(document), carried)
    words = "; ".join(dict.fromkeys(filter(None, safe.values())))
    kind = _kind(answer, document, has_words=bool(words))
    return f"Mixpanel answered {answer.status}{kind}{words and ': '}{words}"


def _kind(answer: Answer, document: object, *, has_words: bool) -> str:
    if document is None and answer.body:
        return f" with {_kind_of_text(answer.body)}"
    if answer.status not in (_OK, _PARTIAL):
        return ""
    if isinstance(document, dict) and not document.keys().isdisjoint(_REPORT_FIELDS):
        return " with a report that does not add up"
    return "" if has_words else " with a body that is not a report"


def _kind_of_text(body: bytes) -> str:
    beginning = body[:_BEGINNING_BYTES].lstrip().lower()
    if not beginning.startswith(b"<"):
        return "a body that is not JSON"
    return "an HTML page" if b"html" in beginning else "an XML document"


def _reasons(named: Mapping[int, Mapping[str, Any]], carried: Carried) -> dict[int, str]:
    texts = {index: next(iter(texts_of(entry)), "") for index, entry in named.items()}
    safe = safe_texts(texts.values(), carried)
    return {index: _reason(entry, safe[texts[index]]) for index, entry in named.items()}


def _reason(entry: Mapping[str, Any], words: str) -> str:
    where = entry.get("field")
    path = where if isinstance(where, str) and where in FIELDS else "properties.*"
    return f"{path}: Mixpanel says: {words}" if words else f"{path}: refused"


def _named(entries: object, insert_ids: Sequence[str]) -> dict[int, Mapping[str, Any]]:
    """Return the entries whose index, and insert id if they have one, are those of an event that was sent."""
    named: dict[int, Mapping[str, Any]] = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        index = entry.get("index")
        if type(index) is int and 0 <= index < len(insert_ids) and _ids_agree(entry, insert_ids[index]):
            named.setdefault(index, entry)
    return named


def _ids_agree(entry: Mapping[str, Any], sent: str) -> bool:
    # Mixpanel's pages disagree on the name of the key; either may also be null or "" for "unknown".
    return all(not (named_id := entry.get(key)) or named_id == sent for key in ("insert_id", "$insert_id"))


def parse_retry_after(header: str, *, now_s: float) -> float | None:
    """Return the seconds of a Retry-After header in either form, 0 to 900; None if there is no valid one.

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
