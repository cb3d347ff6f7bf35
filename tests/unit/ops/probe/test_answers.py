import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
