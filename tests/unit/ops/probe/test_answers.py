import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_ops.probe.export_lines import decoded
from whyness_ops.probe.probe_answers import Answer, message, summary


def failed(*indices: object, field: object = "properties.time") -> bytes:
    """Return the body of a 400 that names these events."""
    records = [{"index": index, "field": field, "message": "too late"} for index in indices]
    return json.dumps({"code": 400, "num_records_imported": 1, "failed_records": records}).encode()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"code": 200, "num_records_imported": 7}', "200, 7 imported"),
        (200, b"1", "200, 1"),
        (200, b"0", "200, 0"),
        (200, b"", "200"),
        (200, b"<html>", "200"),
        (200, b'{"num_records_imported": "7"}', "200"),
        (401, b'{"error": "Invalid credentials"}', "401"),
        (400, b'{"error": "x"}', "400"),
        (400, b"[[" * 100_000, "400"),
        (400, failed(0), "400, 1 imported, refused 0 properties.time"),
        (400, failed(0, 1, 2), "400, 1 imported, refused 0 to 2 properties.time"),
        (400, failed(0, 2, 3), "400, 1 imported, refused 0, 2, 3 properties.time"),
        (400, failed("0", None), "400, 1 imported, refused 0, None properties.time"),
        (
            400,
            b'{"num_records_imported": 0, "failed_records": ["no"]}',
            "400, 0 imported, refused the request",
        ),
        (400, b'{"num_records_imported": 0, "failed_records": 3}', "400, 0 imported"),
    ],
)
def test_an_answer_in_few_words(status: int, body: bytes, said: str) -> None:
    """Status, count and fields, never the wording."""
    assert summary(Answer(status, body)) == said


@given(st.binary(max_size=60), st.integers(200, 599))
def test_no_answer_is_too_strange(body: bytes, status: int) -> None:
    """Whatever a proxy sends, there are words for it."""
    assert summary(Answer(status, body)).startswith(str(status))
    assert isinstance(message(Answer(status, body)), str)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (failed(0), "too late"),
        (b'{"error": "rate"}', "rate"),
        (b'{"error": "some", "failed_records": ["identity"]}', "identity"),
        (b"1", ""),
        (b"<html>", ""),
    ],
)
def test_mixpanels_own_words_are_those_on_the_first_event(body: bytes, said: str) -> None:
    """Or on the whole request."""
    assert message(Answer(400, body)) == said


EVENTS = [{"event": f"e{n}", "properties": {"n": n, "text": "ü"}} for n in range(3)]
LINES = [json.dumps(event).encode() + b"\n" for event in EVENTS]


@given(st.integers(0, 2), st.data())
def test_a_record_split_over_two_lines_is_one(which: int, data: st.DataObject) -> None:
    """Wherever the stray line break is."""
    line = LINES[which]
    at = data.draw(st.integers(1, len(line) - 2))
    broken = [*LINES[:which], line[:at] + b"\n", line[at:], *LINES[which + 1 :]]

    assert list(decoded(iter(broken))) == EVENTS


@pytest.mark.parametrize(
    "lines",
    [
        [*LINES[:2], b"terminated early\n"],
        [*LINES[:2], LINES[2][:-1]],
        [*LINES[:2], LINES[2][:9] + b"\n"],
        [LINES[0][:9] + b"\n", LINES[1], LINES[2]],
        [b"<html>\n", b"</html>\n"],
    ],
)
def test_an_export_that_ends_early_is_known(lines: list[bytes]) -> None:
    """What it holds is not all, so nothing may be called missing."""
    with pytest.raises(EOFError):
        list(decoded(iter(lines)))


def test_an_empty_export_is_whole() -> None:
    """No event is an answer, too; a blank line is none."""
    assert list(decoded(iter([]))) == []
    assert list(decoded(iter([b"\n", *LINES, b"[1]\n", b'{"event": "e"}\n']))) == EVENTS
