import json
from contextlib import nullcontext
from typing import Any

import pytest

from tests.builders import NOW_MS, large_properties, make_body, make_event, make_raw
from whyness_events.dead_letter import DeadLetterAttributes
from whyness_ops import CannotEdit, DeadLetter, EditFault, edit_body, load_edit

COUNTED = ["exhausted", "crashed", "unknown"]


def make_dead_letter(body: str, reason: str) -> DeadLetter:
    """Return a dead letter that died of `reason`."""
    attributes = {} if reason in ("crashed", "unknown") else {"reason": reason, "detail": "why"}
    return DeadLetter("id", body, attributes, source_arn="arn" if reason == "crashed" else "")


@pytest.mark.parametrize("reason", ["rejected", "oversized", "unreadable"])
@pytest.mark.parametrize("field", ["insert_id", "event", "user", "time"])
def test_what_never_counted_may_be_changed_in_every_field(reason: str, field: str) -> None:
    """Where Mixpanel cannot have counted the event, deduplication fields may be changed."""
    value = {"insert_id": "new", "event": "New", "user": "new", "time": NOW_MS - 5}[field]
    dead_letter = make_dead_letter(make_body(make_event()), reason)

    body = edit_body(dead_letter, lambda event: {**event, field: value}, now_ms=NOW_MS)

    assert json.loads(body)["events"][0][field] == value


@pytest.mark.parametrize("reason", COUNTED)
@pytest.mark.parametrize(
    ("field", "value"), [("insert_id", "new"), ("event", "New"), ("user", "new"), ("time", NOW_MS - 5)]
)
def test_what_may_count_already_keeps_its_deduplication_fields(reason: str, field: str, value: Any) -> None:
    """Else the event would count twice; the text names the field and no value."""
    dead_letter = make_dead_letter(make_body(make_event()), reason)

    with pytest.raises(CannotEdit, match=f"changes {field}"):
        edit_body(dead_letter, lambda event: {**event, field: value}, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("status", "detail", "may_change"),
    [
        ("400", "properties.time: Mixpanel says: '*' is invalid", True),
        ("403", "Mixpanel answered 403 to this event alone", True),
        ("413", "Mixpanel answered 413 to this event alone", True),
        ("200", "Mixpanel answered 200 with a report that does not add up to this event alone", False),
        ("400", "Mixpanel answered 400 with a body that is no report to this event alone", False),
        ("400", "", False),
    ],
)
def test_what_was_refused_without_a_reason_may_count(status: str, detail: str, *, may_change: bool) -> None:
    """An answer that explains nothing may have come after the import; a name proves that it did not."""
    attributes = {"reason": "rejected", "http_status": status, "detail": detail}
    dead_letter = DeadLetter("id", make_body(make_event()), {n: v for n, v in attributes.items() if v})
    refused = pytest.raises(CannotEdit, match="may already count")

    with nullcontext() if may_change else refused:
        edit_body(dead_letter, lambda event: {**event, "user": "new"}, now_ms=NOW_MS)


@pytest.mark.parametrize("detail", ["", "Mixpanel answered 400 to this event alone", "reworded"])
@pytest.mark.parametrize("may_count", [False, True])
def test_dead_letter_says_itself_whether_it_may_count(detail: str, *, may_count: bool) -> None:
    """Whatever its sentence for people says."""
    told = DeadLetterAttributes("rejected", may_count=may_count, detail=detail, http_status=400)
    dead_letter = DeadLetter("id", make_body(make_event()), told.encode())
    refused = pytest.raises(CannotEdit, match="may already count")

    with refused if may_count else nullcontext():
        edit_body(dead_letter, lambda event: {**event, "user": "new"}, now_ms=NOW_MS)


@pytest.mark.parametrize("reason", COUNTED)
def test_other_fields_may_be_changed_whatever_the_reason(reason: str) -> None:
    """Properties decide nothing about what counts as the same event."""
    dead_letter = make_dead_letter(make_body(make_event()), reason)

    body = edit_body(dead_letter, lambda event: {**event, "properties": {"a": 1}}, now_ms=NOW_MS)

    assert json.loads(body)["events"][0]["properties"] == {"a": 1}


def test_a_change_in_place_is_noticed() -> None:
    """The function may change the dict it gets: it is compared with what stood there before."""
    dead_letter = make_dead_letter(make_body(make_event()), "exhausted")

    def rename(event: dict[str, Any]) -> dict[str, Any]:
        event["event"] = "New"
        return event

    with pytest.raises(CannotEdit, match="changes event"):
        edit_body(dead_letter, rename, now_ms=NOW_MS)


def test_the_envelope_is_kept_around_the_events() -> None:
    """Identity, version and unknown fields of the envelope stay; each event is edited by itself."""
    raws = [make_raw(insert_id="a"), make_raw(insert_id="b")]
    body = json.dumps({"schema_version": 1, "identity": "simplified", "sent_by": "x", "events": raws})
    seen: list[str] = []

    def edit(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(event["insert_id"])
        return event

    edited = edit_body(make_dead_letter(body, "crashed"), edit, now_ms=NOW_MS)

    assert seen == ["a", "b"]
    assert json.loads(edited) == json.loads(body)


def test_a_body_that_cannot_be_read_is_handed_over_as_text() -> None:
    """The function makes an event of it."""
    dead_letter = make_dead_letter("title=Click", "unreadable")

    body = edit_body(dead_letter, lambda text: make_raw(event=text.partition("=")[2]), now_ms=NOW_MS)

    assert json.loads(body)["events"][0]["event"] == "Click"


def test_a_newer_message_is_not_guessed_at() -> None:
    """An edit of a version this tool does not know is refused."""
    body = json.dumps({"schema_version": 2, "events": [make_raw()]})

    with pytest.raises(CannotEdit, match="newer than this version"):
        edit_body(make_dead_letter(body, "crashed"), lambda event: event, now_ms=NOW_MS)


def _raise(event: dict[str, Any]) -> object:
    raise KeyError(event["insert_id"])


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (_raise, "raised KeyError"),
        (lambda _: None, "returned nothing"),
        (lambda _: [], "returned a list"),
        (lambda event: {**event, "time": "soon"}, "time: found"),
        (lambda event: {**event, "user": "null"}, "user: found a placeholder"),
        (lambda event: {**event, "more": object()}, "JSON cannot represent"),
        (lambda event: {**event, "properties": {"a": {1, 2}}}, "event to send is not valid"),
        (lambda event: {**event, "properties": large_properties(1_000_001)}, "1000000 bytes"),
    ],
)
def test_an_edit_that_fails_is_told_without_any_value(edit: Any, text: str) -> None:
    """Whatever the function does, the dead letter can stay; the text says why and shows no value."""
    dead_letter = make_dead_letter(make_body(make_event(insert_id="secret")), "rejected")

    with pytest.raises(CannotEdit) as caught:
        edit_body(dead_letter, edit, now_ms=NOW_MS)

    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nonsense", "package.module:function"),
        ("no_such_module_here:edit", "ModuleNotFoundError"),
        ("json:no_such_function", "no function no_such_function"),
        ("json:__doc__", "no function __doc__"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_named(name: str, text: str) -> None:
    """The sentence says what is wrong with the name."""
    with pytest.raises(EditFault, match=text):
        load_edit(name)
