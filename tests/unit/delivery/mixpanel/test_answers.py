"""What each answer means: status, body and header, in every shape that is known, and in any other."""

import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes import report
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict, judge, parse_retry_after
from whyness_events.delivery.ports import Answer

IDS = [f"row-{number}" for number in range(2_000)]
THREE = IDS[:3]
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()
_ABSENT = object()


def _judge(answer: Answer, insert_ids: Sequence[str] = THREE) -> Verdict:
    return judge(answer, insert_ids, now_s=NOW_S)


def _failed(index: object = 0, **fields: object) -> dict[str, object]:
    """Return an entry of failed_records; `index=_ABSENT` leaves it out."""
    entry = {"index": index, "field": "properties.time", "message": "'properties.time' is invalid"}
    return {name: value for name, value in {**entry, **fields}.items() if value is not _ABSENT}


# --- 400 that adds up


_BY_KEY: dict[str, Callable[[str], dict[str, object]]] = {
    "insert_id": lambda found: {"insert_id": found},
    "$insert_id": lambda found: {"$insert_id": found},
    "both": lambda found: {"insert_id": found, "$insert_id": found},
    "none": lambda _: {},
    "null": lambda _: {"insert_id": None},
    "one null": lambda found: {"insert_id": None, "$insert_id": found},
    "empty": lambda _: {"insert_id": ""},
}


@pytest.mark.parametrize("count", [1, 7, 2_000])
@pytest.mark.parametrize("key", _BY_KEY)
def test_partial_400_names_the_rejected_of_a_full_request(count: int, key: str) -> None:
    """Of 2,000 events those named are rejected and the others confirmed, whichever key holds the id."""
    indexes = [n * 1_999 // max(1, count - 1) for n in range(count)]
    failed = [_failed(index, **_BY_KEY[key](IDS[index])) for index in indexes]

    verdict = _judge(report(400, imported=2_000 - count, failed=failed), IDS)

    assert (verdict.reaction, verdict.status, verdict.detail) == (Reaction.CONFIRMED, 400, "")
    assert sorted(verdict.named) == indexes
    assert verdict.status == 400


def test_order_of_the_entries_does_not_matter() -> None:
    """An entry names the event at its index."""
    failed = [_failed(2, insert_id=IDS[2]), _failed(0, insert_id=IDS[0])]

    verdict = _judge(report(400, imported=1, failed=failed))

    assert verdict.reaction is Reaction.CONFIRMED
    assert set(verdict.named) == {0, 2}


def test_event_named_twice_counts_once() -> None:
    """The sum is of distinct events: two entries about one event are one failure, the first's."""
    failed = [_failed(1, field="event"), _failed(1, field="properties.ip")]

    verdict = _judge(report(400, imported=2, failed=failed))

    assert verdict.reaction is Reaction.CONFIRMED
    assert verdict.named[1].startswith("event: ")


def test_400_in_which_nothing_failed_confirms() -> None:
    """Numbers that add up decide, not the status."""
    verdict = _judge(report(400, imported=3, failed=[]))

    assert verdict.reaction is Reaction.CONFIRMED
    assert not verdict.named


def test_lone_event_named_is_rejected() -> None:
    """A request of one may be refused whole, with its reason."""
    verdict = _judge(report(400, imported=0, failed=[_failed(0)]), THREE[:1])

    assert verdict.reaction is Reaction.CONFIRMED
    assert set(verdict.named) == {0}


def test_status_text_and_code_in_the_body_do_not_matter() -> None:
    """Mixpanel writes OK, Bad Request, 1 or 0 there; the numbers decide."""
    bodies = [
        {"status": status, "code": code, "num_records_imported": 3}
        for status, code in (("OK", 200), ("Bad Request", 400), (1, None), (0, "x"))
    ]

    verdicts = [_judge(Answer(200, json.dumps(body).encode())) for body in bodies]

    assert {verdict.reaction for verdict in verdicts} == {Reaction.CONFIRMED}


# --- entries that cannot be trusted


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(_failed(0, insert_id="row-1"), id="another event's id"),
        pytest.param(_failed(0, **{"$insert_id": "row-1"}), id="another event's $id"),
        pytest.param(_failed(0, insert_id="row-0", **{"$insert_id": "row-1"}), id="ids that disagree"),
        pytest.param(_failed(0, insert_id=7), id="an id that is a number"),
        pytest.param(_failed(0, insert_id=["row-0"]), id="an id that is an array"),
        pytest.param(_failed(3), id="index just out of range"),
        pytest.param(_failed(2_000_000), id="index far out of range"),
        pytest.param(_failed(-1), id="negative index"),
        pytest.param(_failed(False), id="index false"),  # noqa: FBT003  (the value under test)
        pytest.param(_failed(True), id="index true"),  # noqa: FBT003  (the value under test)
        pytest.param(_failed("0"), id="index that is a string"),
        pytest.param(_failed(0.0), id="fractional index"),
        pytest.param(_failed(None), id="index null"),
        pytest.param(_failed(_ABSENT, insert_id="row-0"), id="no index"),
        pytest.param("identity events are not allowed", id="a string"),
        pytest.param("row-0", id="an id as a string"),
        pytest.param(0, id="a number"),
        pytest.param(None, id="null"),
        pytest.param([0], id="an array"),
        pytest.param({}, id="an empty object"),
    ],
)
def test_entry_that_speaks_of_no_event_sent_names_nobody(entry: object) -> None:
    """Index in range and id as sent, or the answer is unexplained and rejects nothing."""
    alone = _judge(report(400, imported=2, failed=[entry]))
    beside_another = _judge(report(400, imported=1, failed=[entry, _failed(2)]))

    assert (alone.reaction, alone.named) == (Reaction.SPLIT, {})
    assert beside_another.reaction is Reaction.SPLIT
    assert set(beside_another.named) == {2}


@pytest.mark.parametrize("failed", [None, {}, "all", 3, {"0": _failed(0)}, True])
def test_failed_records_of_another_shape_names_nobody(failed: object) -> None:
    """Only an array can name events; any other 400 is unexplained."""
    body = {"num_records_imported": 2, "failed_records": failed}

    verdict = _judge(Answer(400, json.dumps(body).encode()))

    assert (verdict.reaction, verdict.named) == (Reaction.SPLIT, {})


# --- reports that do not add up


@pytest.mark.parametrize("imported", [0, 1, 3, -1, True, "2", 2.0, 2.5, None, [2], 10**30])
def test_400_whose_numbers_do_not_add_up_is_unexplained(imported: object) -> None:
    """If one of three is named and the count is not two, the named is sent apart, and none is rejected."""
    verdict = _judge(report(400, imported=imported, failed=[_failed(1)]))

    assert verdict.reaction is Reaction.SPLIT
    assert set(verdict.named) == {1}


def test_400_without_a_count_is_unexplained() -> None:
    """A missing num_records_imported does not count as zero."""
    alone = _judge(report(400, failed=[_failed(0)]), THREE[:1])

    assert alone.reaction is Reaction.SPLIT


@pytest.mark.parametrize("flag", [True, False])
def test_boolean_count_is_no_number(flag: bool) -> None:  # noqa: FBT001  (the value under test)
    """A boolean is not a count, although Python's True equals 1."""
    confirmed = _judge(report(200, imported=flag), THREE[:1])
    rejected = _judge(report(400, imported=flag, failed=[_failed(0)]), THREE[:1])

    assert (confirmed.reaction, rejected.reaction) == (Reaction.SPLIT, Reaction.SPLIT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad Request</html>",
        b"0",
        b"1",
        b"null",
        b"true",
        b'"some data points in the request failed validation"',
        b"[]",
        b"{",
        b"{}",
        b'{"error":"bad","status":0}',
        b'{"num_records_imported":2,"failed_records":[{"index":0}',
        b"\xff\xfe{}",
        b'{"num_records_imported":NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_400_without_a_report_is_unexplained(body: bytes) -> None:
    """A 400 without a report rejects no event; splitting finds the one at fault."""
    verdict = _judge(Answer(400, body))

    assert (verdict.reaction, verdict.named) == (Reaction.SPLIT, {})


def test_full_200_confirms() -> None:
    """All is well where the count is that of the events sent."""
    verdict = _judge(report(200, imported=3))

    assert (verdict.reaction, verdict.named) == (Reaction.CONFIRMED, {})


@pytest.mark.parametrize("imported", [0, 2, 4, -3, True, "3", 3.0, [3], 10**30])
def test_200_whose_count_is_not_that_of_the_events_is_unexplained(imported: object) -> None:
    """A 200 confirms only as many events as were sent."""
    verdict = _judge(report(200, imported=imported))

    assert verdict.reaction is Reaction.SPLIT


@pytest.mark.parametrize("body", [b"{}", b'{"code":200,"status":"OK"}', b'{"num_records_imported":null}'])
def test_200_without_a_count_is_unexplained(body: bytes) -> None:
    """A report without a count confirms nothing."""
    assert _judge(Answer(200, body)).reaction is Reaction.SPLIT


@pytest.mark.parametrize("imported", [2, 3])
def test_200_that_names_an_event_is_unexplained(imported: int) -> None:
    """It contradicts itself, whether or not the numbers add up."""
    verdict = _judge(report(200, imported=imported, failed=[_failed(1)]))

    assert verdict.reaction is Reaction.SPLIT
    assert verdict.named == {1: ""}


@pytest.mark.parametrize(
    "body",
    [b"", b"1", b"0", b"[]", b"null", b'"OK"', b"<html></html>", b"OK", b'{"num_rec', b"\xff", b"[" * 9999],
)
def test_200_that_is_no_report_is_asked_again(body: bytes) -> None:
    """A page with status 200 is something in between: it says nothing about the events."""
    verdict = _judge(Answer(200, body))

    assert (verdict.reaction, verdict.named) == (Reaction.RETRY, {})


# --- the other statuses


@pytest.mark.parametrize(
    ("statuses", "reaction"),
    [
        pytest.param([300, 301, 302, 303, 304, 307, 308, 399], Reaction.SETUP, id="3xx"),
        pytest.param([402, 404, 405, 406, 407, 409, 410, 415, 422, 431, 451, 499], Reaction.SETUP, id="4xx"),
        pytest.param([401], Reaction.UNAUTHORISED, id="401"),
        pytest.param([403, 413], Reaction.SPLIT, id="403 and 413"),
        pytest.param([408, 425], Reaction.RETRY, id="408 and 425"),
        pytest.param([429], Reaction.THROTTLED, id="429"),
        pytest.param([500, 501, 502, 503, 504, 505, 507, 511, 520, 599], Reaction.RETRY, id="5xx"),
        pytest.param([100, 101, 102, 103, 199], Reaction.RETRY, id="1xx"),
        pytest.param([201, 202, 203, 204, 206, 207, 299], Reaction.RETRY, id="2xx but 200"),
        pytest.param([600, 700, 999, 1_000, 0, -1, -200], Reaction.RETRY, id="no HTTP status"),
    ],
)
def test_status_without_a_report(statuses: list[int], reaction: Reaction) -> None:
    """Each other status has one meaning, whatever its body says."""
    bodies = (
        b"",
        b"<html></html>",
        b'{"num_records_imported":3}',
        json.dumps({"failed_records": [_failed()]}).encode(),
    )

    verdicts = [_judge(Answer(status, body)) for status in statuses for body in bodies]

    assert {verdict.reaction for verdict in verdicts} == {reaction}
    assert not any(verdict.named for verdict in verdicts)
    assert [verdict.status for verdict in verdicts[:: len(bodies)]] == statuses


@pytest.mark.parametrize("reaction", Reaction)
def test_an_event_can_wait_after_each_reaction(reaction: Reaction) -> None:
    """A reaction without an outcome for events that wait would be an internal fault."""
    assert Verdict(reaction, 503, "").waiting_reason.is_waiting


@pytest.mark.parametrize("error", ["no answer in time", "connection failed (ConnectionError)"])
def test_request_without_an_answer_is_tried_again(error: str) -> None:
    """The outcome is unknown: the same bytes again."""
    verdict = _judge(Answer(0, error=error))

    assert (verdict.reaction, verdict.status) == (Reaction.RETRY, 0)
    assert error in verdict.detail


def test_error_wins_over_what_came_before_it() -> None:
    """An answer that is cut off confirms nothing, whatever its status was."""
    cut_off = Answer(200, report(200, imported=3).body, error="the answer took too long")

    assert _judge(cut_off).reaction is Reaction.RETRY


# --- Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("007", 7),
        ("900", 900),
        ("901", 900),
        ("9" * 5_000, 900),
        (format_datetime(NOW + timedelta(seconds=42), usegmt=True), 42),
        ("Mon, 23 Nov 2026 10:00:42 GMT", 42),
        ("Monday, 23-Nov-26 10:00:42 GMT", 42),
        ("Mon Nov 23 10:00:42 2026", 42),
        ("Mon, 23 Nov 2026 11:00:42 +0100", 42),
        ("Mon, 23 Nov 2026 09:59:59 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 900),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 900),
        ("", None),
        (" ", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("Mon, 99 Nov 2026 10:00:42 GMT", None),
        ("Mon, 23 Nov 99999999999 10:00:42 GMT", None),
        ("Mon, 23 Nov 2026 10:00:42 +9999", None),
        ("\x00", None),
    ],
)
def test_retry_after_in_both_forms(header: str, seconds: float | None) -> None:
    """Seconds or a date, never less than 0 or more than 900; what cannot be read is as if not there."""
    assert seconds == parse_retry_after(header, now_s=NOW_S)


def test_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own zone does not matter."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert parse_retry_after("Mon Nov 23 10:00:42 2026", now_s=NOW_S) == 42
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_is_passed_on(status: int) -> None:
    """Who says when, is heard."""
    assert _judge(Answer(status, retry_after="17")).retry_after_s == 17


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} [\d:]{1,9} [+-]?\w{0,5}"))
def test_retry_after_is_total(header: str) -> None:
    """No header raises, and what is read from one is within 0 and 900."""
    found = parse_retry_after(header, now_s=NOW_S)

    assert found is None or 0 <= found <= 900


# --- totality

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_indexes = st.integers(-3, 6) | _json
_entries = st.fixed_dictionaries(
    {},
    optional={
        "index": _indexes,
        "insert_id": st.sampled_from(THREE) | _json,
        "$insert_id": st.sampled_from(THREE) | _json,
        "field": _json,
        "message": _json,
    },
)
_reports = st.fixed_dictionaries(
    {},
    optional={
        "num_records_imported": st.integers(-2, 5) | _json,
        "failed_records": st.lists(_entries | _json, max_size=5) | _json,
    },
)
_bodies = st.binary(max_size=60) | (_reports | _json).map(lambda value: json.dumps(value).encode())
_answers = st.builds(
    Answer,
    st.sampled_from([200, 400]) | st.integers(-10, 1_100),
    _bodies,
    st.text(max_size=20),
    st.just("") | st.text(max_size=5),
)


@given(_answers, st.integers(1, 4))
@example(Answer(400, b'{"num_records_imported":-1,"failed_records":[{"index":0}]}'), 1)
def test_outcome_function_is_total_and_confirms_only_what_adds_up(answer: Answer, count: int) -> None:
    """Any status, body and header has a meaning; only a report whose numbers add up confirms or rejects."""
    verdict = _judge(answer, IDS[:count])

    assert isinstance(verdict.reaction, Reaction)
    assert all(type(index) is int and 0 <= index < count for index in verdict.named)
    assert verdict.detail or verdict.reaction is Reaction.CONFIRMED, "an event that waits has a reason"
    if verdict.reaction is Reaction.CONFIRMED:
        assert all(verdict.named.values()), "a rejected event has a reason"
        body: dict[str, Any] = json.loads(answer.body)
        assert answer.status in (200, 400)
        assert not answer.error
        assert body["num_records_imported"] + len(verdict.named) == count
        assert answer.status == 400 or not verdict.named


# --- reasons


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("event", "event"),
        ("properties.time", "properties.time"),
        ("$insert_id", "$insert_id"),
        ("properties.$insert_id", "properties.$insert_id"),
        ("properties.distinct_id", "properties.distinct_id"),
        ("properties.data", "properties.data"),
        ("properties.$city", "properties.$city"),
        ("properties.anna@example.org", "properties.*"),
        ("anna", "properties.*"),
        ("", "properties.*"),
        (None, "properties.*"),
        (7, "properties.*"),
        (["time"], "properties.*"),
    ],
)
def test_reason_names_a_field_only_where_the_name_is_ours(field: object, shown: str) -> None:
    """A path of the caller's own properties appears as properties.*."""
    failed = [_failed(0, field=field, message="must not be missing")]

    verdict = _judge(report(400, imported=2, failed=failed))

    assert verdict.named[0] == f"{shown}: Mixpanel says: must not be missing"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("must not be missing", "Mixpanel says: must not be missing"),
        (["must not be missing"], "Mixpanel says: must not be missing"),
        ({"message": "must not be missing"}, "Mixpanel says: must not be missing"),
        (17, "Mixpanel says: 17"),
        *(
            (nothing, "refused")
            for nothing in (_ABSENT, None, "", " ", True, 1.5, [], {"x": "y"}, "anna@x.org")
        ),
    ],
)
def test_every_rejected_event_has_a_reason_that_a_person_can_read(message: object, reason: str) -> None:
    """The reason is found in any shape of entry; without one, it says that the event was refused."""
    verdict = _judge(report(400, imported=2, failed=[_failed(0, message=message)]))

    assert verdict.named[0] == f"properties.time: {reason}"


def test_entry_may_say_it_under_another_name() -> None:
    """Without a message, the error is shown."""
    failed = [_failed(0, message=_ABSENT, error="must not be missing")]

    verdict = _judge(report(400, imported=2, failed=failed))

    assert verdict.named[0] == "properties.time: Mixpanel says: must not be missing"


def test_reasons_of_a_full_request_do_not_mix() -> None:
    """Each event gets the reason of its own entry, without what Mixpanel quotes."""
    texts = ["'time' must not be missing", "must not be blank"]
    failed = [_failed(n, field="event", message=f"{texts[n % 2]} 'value {n}'") for n in range(2_000)]

    verdict = _judge(report(400, imported=0, failed=failed), IDS)

    assert set(verdict.named.values()) == {
        "event: Mixpanel says: must not be blank '*'",
        "event: Mixpanel says: 'time' must not be missing '*'",
    }


# --- the detail of an answer that names no event

_WORDS = "project_id parameter is invalid"
_SHAPES: dict[str, object] = {
    "error": {"error": _WORDS},
    "error, with Mixpanel's own fields": {"code": 400, "error": _WORDS, "status": "Bad Request"},
    "error in lenient form": {"status": 0, "error": _WORDS},
    "message": {"message": _WORDS},
    "message of an API gateway": {"Message": _WORDS},
    "status": {"status": _WORDS},
    "error object": {"error": {"code": 403, "message": _WORDS, "status": "INVALID_ARGUMENT"}},
    "errors": {"errors": [_WORDS]},
    "errors that are objects": {"errors": [{"message": _WORDS}]},
    "errors with details": {"errors": [{"status": "400", "detail": _WORDS}]},
    "problem details": {"type": "about:blank", "title": _WORDS, "status": 403},
    "OAuth": {"error_description": _WORDS},
    "a text": _WORDS,
    "texts": [_WORDS],
}


@pytest.mark.parametrize("shape", _SHAPES.values(), ids=_SHAPES)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504])
def test_words_of_an_answer_are_kept(status: int, shape: object) -> None:
    """Wherever Mixpanel, a proxy or a gateway puts them, with every status."""
    verdict = _judge(Answer(status, json.dumps(shape).encode()))

    assert verdict.detail == f"Mixpanel answered {status}: {_WORDS}"


@pytest.mark.parametrize(
    "failed",
    [
        [_WORDS],
        ["", _WORDS, _WORDS],
        [_failed(9, message=_WORDS)],
        [_failed(0, insert_id="another", message=_WORDS)],
        [_failed(0, message=_WORDS)],
    ],
)
def test_words_of_entries_that_count_for_nothing_are_kept(failed: list[object]) -> None:
    """A report that does not add up rejects no event, but its texts are in the detail, each once."""
    body = {
        "num_records_imported": 0,
        "failed_records": failed,
        "error": "some data points failed validation",
    }

    verdict = _judge(Answer(400, json.dumps(body).encode()))

    expected = f"a report that does not add up: {_WORDS}; some data points failed validation"
    assert verdict.detail == f"Mixpanel answered 400 with {expected}"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", "with a body that is not a report"),
        (400, b"", "with a body that is not a report"),
        (400, b"{}", "with a body that is not a report"),
        (400, b"0", "with a body that is not a report"),
        (200, b"OK", "with a body that is not JSON"),
        (400, b'{"error":"x', "with a body that is not JSON"),
        (400, b'{"num_records_imported":1}', "with a report that does not add up"),
        (200, b"<html>MARKER</html>", "with an HTML page"),
        (403, b"\n <!DOCTYPE html><title>MARKER</title>", "with an HTML page"),
        (403, b"<?xml version='1.0'?><Error>MARKER</Error>", "with an XML document"),
        (502, b"upstream connect error MARKER", "with a body that is not JSON"),
        (503, b"\xff\xfe", "with a body that is not JSON"),
        (503, b"", ""),
        (503, b"{}", ""),
        (429, b'{"code":429}', ""),
    ],
)
def test_answer_without_words_is_told_by_the_kind_of_its_body(status: int, body: bytes, kind: str) -> None:
    """A page says that a proxy answered; its text, which may quote anything, is not repeated."""
    assert _judge(Answer(status, body)).detail == f"Mixpanel answered {status} {kind}".strip()


@pytest.mark.parametrize("status", [200, 400, 403, 503])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 8_000_000,
        b'{"error":' * 800_000,
        b"[" + b"[],{}," * 1_300_000 + b"0]",
        b'{"failed_records":[' + b'"x",' * 1_900_000 + b'"y"]}',
        b'{"failed_records":[' + b"0," * 3_900_000 + b"0]}",
        b'{"error":"' + b"a b " * 1_900_000 + b'"}',
        json.dumps({"failed_records": [_failed(n, message="a 'b " * 500) for n in range(2_000)]}).encode(),
        json.dumps({"error": [{"error": [{"error": ["x"] * 99}] * 9}] * 9}).encode(),
    ],
    ids=["arrays", "objects", "values", "texts", "numbers", "a text", "messages", "a tree"],
)
def test_answer_of_8_mb_is_judged_in_little_memory(status: int, body: bytes) -> None:
    """Values take many times their JSON's memory, so a body with too many of them is not decoded."""
    tracemalloc.start()
    try:
        verdict = _judge(Answer(status, body), IDS)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert verdict.reaction is not Reaction.CONFIRMED
    assert len(verdict.detail) < 1_000
    assert peak_bytes < 50_000_000


def test_request_is_looked_into_only_for_words_that_are_not_mixpanels() -> None:
    """The happy path, and the answers that Mixpanel documents, cost nothing more."""
    documented = {
        "code": 429,
        "error": "Project exceeded rate limits. Please retry the request.",
        "status": "x",
    }
    answers = [
        report(200, imported=3),
        report(400, imported=2, failed=[_failed(0)]),
        Answer(429, json.dumps(documented).encode()),
        Answer(503, b"<html>unknown</html>"),
    ]

    def unasked() -> list[bytes]:
        raise AssertionError

    for answer in answers:
        assert judge(answer, THREE, now_s=NOW_S, carried=unasked).status == answer.status
