"""What a complete body is."""

import gzip
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_ops.audit.export_body import Incomplete, whole_lines

ROWS = [
    json.dumps(
        {"event": f"Event {n}", "properties": {"time": n, "text": "a}}\\n\u2028ü", "deep": {"a": [{}]}}}
    )
    for n in range(4)
]
BODY = "".join(f"{row}\n" for row in ROWS).encode()


def read(body: bytes, *, piece_bytes: int = 7, is_gzip: bool = False) -> list[str]:
    """Return the lines of a body that arrives in pieces."""
    pieces = (body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes))
    lines = b"".join(whole_lines(pieces, is_gzip=is_gzip)).decode().split("\n")
    assert lines.pop() == ""
    return lines


@given(st.integers(1, 500), st.integers(0, len(BODY)), st.integers(0, len(BODY)), st.booleans())
def test_split_records_are_joined(piece_bytes: int, one: int, other: int, is_gzip: bool) -> None:  # noqa: FBT001
    """Wherever the lines are split, within one record or two, and however the body arrives."""
    split = BODY
    for at in sorted((one, other), reverse=True):
        split = split[:at] + b"\n" + split[at:]
    body = gzip.compress(split) if is_gzip else split

    assert read(body, piece_bytes=piece_bytes, is_gzip=is_gzip) == ROWS


EVENT = b'{"event":"A","properties":{"a":{}}}'
FRAGMENTS = [
    EVENT,
    EVENT + b"\n",
    b"\n",
    b"\r",
    b" ",
    b",",
    b"{",
    b"}",
    b'"',
    b"\xff",
    EVENT[:13],
    EVENT[13:],
]


@given(st.lists(st.sampled_from(FRAGMENTS)).map(b"".join))
def test_what_arrives_together_is_as_strict_as_what_drips(body: bytes) -> None:
    """The same lines, each of them an event, or the same reason against them."""

    def outcome(piece_bytes: int) -> list[str] | str:
        try:
            return read(body, piece_bytes=piece_bytes)
        except Incomplete as trouble:
            return str(trouble)

    assert outcome(1) == outcome(len(body) or 1)
    if isinstance(lines := outcome(1), list):
        assert all(json.loads(line)["event"] == "A" for line in lines)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (BODY + b"terminated early\n", "terminated early"),
        (BODY + b"terminated early", "terminated early"),
        (BODY[:-1], "no end"),
        (BODY[:-20], "no end"),
        (BODY[:-20] + b"\n", "not an event"),
        (BODY[20:], "not an event"),
        (BODY[: len(BODY) // 2 + 9] + b"\n" + BODY, "not an event"),
        (b'{"error":"no such project"}\n', "not an event"),
        (b"<html>\n</html>\n", "not an event"),
        (b"[1]\n" + BODY, "not an event"),
        (EVENT + EVENT + b"\n", "not an event"),
        # As many events as lines, but not one in each.
        (EVENT[:13] + b"\n" + EVENT[13:] + b"\n" + EVENT + EVENT + b"\n", "not an event"),
        (b'{"event":"\xff","properties":{}}\n', "not an event"),
        (b'{"event":"Event","properties":{"a":"\xff"}}\n', "not an event"),
        (b'{"event":"Event","properties":{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}}\n", "not an event"),
        (b'{"event":"' + b"A" * 5_000_000, "not an event"),
    ],
)
def test_incomplete_body_is_one(body: bytes, why: str) -> None:
    """Plain or compressed, in pieces or at once, and the text quotes nothing of it."""
    for is_gzip, piece_bytes in itertools.product((False, True), (7, len(body))):
        with pytest.raises(Incomplete, match=why) as caught:
            read(gzip.compress(body) if is_gzip else body, piece_bytes=piece_bytes, is_gzip=is_gzip)

        assert "Event" not in str(caught.value)


@given(st.integers(0, len(gzip.compress(BODY, mtime=0)) - 1))
def test_cut_gzip_is_incomplete(length: int) -> None:
    """Also where only the last byte of the trailer is missing, or all."""
    with pytest.raises(Incomplete):
        read(gzip.compress(BODY, mtime=0)[:length], is_gzip=True)


def test_gzip_of_several_members_is_whole() -> None:
    """And the trailer of the first is not the end."""
    members = gzip.compress(BODY) + gzip.compress(BODY)

    assert read(members, is_gzip=True) == ROWS * 2
    with pytest.raises(Incomplete):
        read(members[:-3], is_gzip=True)


def test_empty_body_is_complete() -> None:
    """A day without events is one."""
    assert read(b"") == []
    assert read(gzip.compress(b""), is_gzip=True) == []


def test_event_may_speak_of_termination() -> None:
    """Only a line of its own says that the export ended early."""
    row = json.dumps({"event": "terminated early", "properties": {"a": "terminated early"}})

    assert read(f"{row}\n".encode()) == [row]
