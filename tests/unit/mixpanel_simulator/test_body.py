import gzip
import json
import zlib

import pytest

from local.mixpanel_simulator.body import HARD_LIMIT_BYTES, ImportBody
from local.mixpanel_simulator.reply import Refused

NDJSON = {"content-type": "application/x-ndjson"}
GZIP = {"content-encoding": "gzip"}


def refusal(body: ImportBody) -> tuple[int, str]:
    """Return status and text of what a body is refused with."""
    with pytest.raises(Refused) as caught:
        _ = body.events
    return caught.value.status, caught.value.error


def test_json_array_and_lines_give_the_same_elements() -> None:
    """With and without gzip; blank lines do not count."""
    array, lines = b'[{"a":1},2]', b'{"a":1}\n\n2\r\n'

    assert ImportBody({}, array).events.elements == [{"a": 1}, 2]
    assert ImportBody(NDJSON, lines).events.elements == [{"a": 1}, 2]
    assert ImportBody(GZIP, gzip.compress(array)).events.elements == [{"a": 1}, 2]
    assert ImportBody(NDJSON | GZIP, gzip.compress(lines)).events.elements == [{"a": 1}, 2]


def test_content_type_may_carry_a_parameter_and_any_case() -> None:
    """As HTTP has it."""
    headers = {"content-type": "Application/JSON; charset=utf-8", "content-encoding": "GZIP"}

    assert ImportBody(headers, gzip.compress(b"[1]")).events.elements == [1]


def test_gzip_of_several_members_is_read_whole() -> None:
    """As the format allows."""
    assert ImportBody(GZIP, gzip.compress(b"[1,") + gzip.compress(b"2]")).events.elements == [1, 2]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"[]", id="plain"),
        pytest.param(b"", id="empty"),
        pytest.param(gzip.compress(b"[]")[:-1], id="cut"),
        pytest.param(gzip.compress(b"[]") + b"x", id="rubbish behind"),
        pytest.param(zlib.compress(b"[]"), id="another format"),
        pytest.param(b"\x1f\x8b\x08", id="three bytes"),
    ],
)
def test_broken_gzip_is_refused(raw: bytes) -> None:
    """Nothing of it is guessed at."""
    assert refusal(ImportBody(GZIP, raw)) == (400, "request body is not valid gzip")


def test_gzip_with_a_wrong_checksum_is_refused() -> None:
    """A flipped bit must not be imported."""
    raw = bytearray(gzip.compress(b"[1]"))
    raw[-6] ^= 1

    assert refusal(ImportBody(GZIP, bytes(raw))) == (400, "request body is not valid gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """Mixpanel documents gzip alone."""
    assert refusal(ImportBody({"content-encoding": encoding}, b"[]"))[0] == 400


def test_bomb_is_unpacked_no_further_than_the_hard_limit() -> None:
    """It is refused as too large."""
    bomb = gzip.compress(bytes(HARD_LIMIT_BYTES + 1), 1)

    assert refusal(ImportBody(GZIP, bomb))[0] == 413


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_other_content_types_are_refused(media_type: str) -> None:
    """With what would be allowed."""
    status, text = refusal(ImportBody({"content-type": media_type}, b"[]"))

    assert status == 400
    assert "application/x-ndjson" in text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[",
        b"[1,]",
        b"[NaN]",
        b"[Infinity]",
        b"[1e400]",
        b"\xef\xbb\xbf[]",
        b"[" * 10_000 + b"]" * 10_000,
        b"[" + b"1" * 5_000 + b"]",
        b'["\x01"]',
        b"[]\xff",
    ],
)
def test_body_that_is_not_json_is_refused(raw: bytes) -> None:
    """Nothing that a JSON reader could choke on gets by."""
    assert refusal(ImportBody({}, raw)) == (400, "request body is not valid JSON")


@pytest.mark.parametrize("raw", [b"{}", b'"x"', b"1", b"null", b'{"event":"x"}'])
def test_json_that_is_no_array_is_refused(raw: bytes) -> None:
    """A single object is no batch."""
    assert refusal(ImportBody({}, raw)) == (400, "request body must be a JSON array of events")


@pytest.mark.parametrize("raw", [b"{}\n{", b"{}\nNaN", b"{} {}"])
def test_lines_that_are_not_json_are_refused(raw: bytes) -> None:
    """One bad line spoils the request."""
    assert refusal(ImportBody(NDJSON, raw)) == (400, "request body is not valid JSON")


@pytest.mark.parametrize("raw", [b'["ok","\xff"]', b'["ok","\\ud800"]', b'["ok","\\udc00\\ud800"]'])
def test_text_that_is_not_utf8_is_read_with_surrogates(raw: bytes) -> None:
    """So that the neighbours can be imported; the same in lines."""
    array = ImportBody({}, raw).events
    lines = ImportBody(NDJSON, raw[1:-1].replace(b",", b"\n")).events

    assert array.elements[0] == lines.elements[0] == "ok"
    assert not array.is_clean
    assert not lines.is_clean
    with pytest.raises(UnicodeEncodeError):
        array.elements[1].encode()


def test_clean_body_is_known_as_such() -> None:
    """Surrogate pairs in escapes are clean text."""
    body = ImportBody({}, b'["\\ud83c\\udf89", "\xc3\xa9"]')

    assert body.events.elements == ["🎉", "é"]
    assert body.events.is_clean


def test_elements_are_measured_as_they_stand_in_the_body() -> None:
    """Escapes and blanks inside an element count, those around it do not."""
    array = b'[ {"a": "\\u00e9"} ,"\xc3\xa9"]'
    lines = b'{"a": "\\u00e9"}\n"\xc3\xa9"\n'

    assert ImportBody({}, array).sizes_bytes() == [len(b'{"a": "\\u00e9"}'), 4]
    assert ImportBody(NDJSON, lines).sizes_bytes() == [len(b'{"a": "\\u00e9"}'), 4]


def test_elements_of_a_body_that_is_not_clean_can_be_measured_too() -> None:
    """As compact JSON."""
    body = ImportBody({}, b'[{"a": "\xff", "b": 2.5}, 1]')

    assert body.events.elements[0]["b"] == 2.5
    assert body.sizes_bytes() == [len('{"a":"?","b":2.5}') + 2, 1]


def test_numbers_beyond_64_bits_are_kept() -> None:
    """Only their text is limited."""
    assert ImportBody({}, json.dumps([2**80]).encode()).events.elements == [2**80]
