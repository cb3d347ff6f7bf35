from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whyness_events import limits
from whyness_mixpanel.privacy.scrubber import REMOVED, Scrubber, _both_cases
from whyness_mixpanel.scrub import LITERALS, NAMES, PATTERNS, parse_names, parse_patterns

SECRET = "hunter2-4711"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
scrub = Scrubber(NAMES, PATTERNS).scrub


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password2",
        "user_password",
        "X-Api-Key",
        "apiKey",
        "clientSecret",
        "Set-Cookie",
        "auth token",
    ],
)
def test_a_value_under_a_secret_key_is_replaced_at_any_depth(key: str) -> None:
    """Whatever the value is: a text, a number, an object."""
    for value in (SECRET, 4711, {"a": SECRET}, [SECRET]):
        assert scrub({"deep": [{"er": {key: value}}]}) == {"deep": [{"er": {key: REMOVED}}]}


@pytest.mark.parametrize(
    "harmless",
    [
        {"title": "Audio upload", "author": "x", "passenger": 2, "position": 1.5, "none": None, "ok": True},
        "https://example.org/path?page=2&sort=title",
        "0b9e9a4c-3f0e-4f0a-9a3f-0d4b1d2c3e4f: Newsletter",
        "at 12:30, ratio 4:3",
        "",
    ],
)
def test_what_is_not_secret_stays_as_it_is(harmless: Any) -> None:
    """The dashboards must not notice."""
    assert scrub(harmless) == harmless


@pytest.mark.parametrize(
    "text",
    [
        f"/login?user=7&password={SECRET}&x=1",
        f"https://x.org/?next=/a&api_key={SECRET}",
        f"url: /a?token={SECRET}",
        f'{{"user": 7, "password": "{SECRET}"}}',
        f'{{"body": "{{\\"password\\": \\"{SECRET}\\"}}"}}',
        f'{{"password": ["a", "{SECRET}"]}}',
        f'password="a b \\" {SECRET}"',
        f"user%5Bpassword%5D={SECRET}",
        f"Authorization: Basic {SECRET}",
        f"sent with Bearer {SECRET}",
        f"https://me:{SECRET}@host/path",
        f"-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: x\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_within_a_text_is_replaced(text: str) -> None:
    """Queries, JSON, headers, URLs with a password, keys."""
    found = scrub({"note": [text]})["note"][0]

    assert SECRET not in found
    assert REMOVED in found


@pytest.mark.parametrize("secret", [JWT, "AKIAIOSFODNN7EXAMPLE"])
def test_what_looks_like_a_secret_is_replaced_wherever_it_stands(secret: str) -> None:
    """A JWT and an AWS access key need no name beside them."""
    assert scrub(f"got {secret} here") == f"got {REMOVED} here"


def test_the_rest_of_a_text_stays() -> None:
    """Only the value goes, up to what separates it from the next."""
    assert scrub(f"/a?password={SECRET}&page=2") == f"/a?password={REMOVED}&page=2"


def test_what_was_scrubbed_does_not_change_when_it_is_scrubbed_again() -> None:
    """An event may pass twice."""
    once = scrub(f"Authorization: Bearer {SECRET}&page=2")

    assert scrub(once) == once


def test_the_callers_object_is_not_touched() -> None:
    """A copy is changed."""
    given = {"password": SECRET, "deep": {"token": SECRET}}

    scrub(given)

    assert given == {"password": SECRET, "deep": {"token": SECRET}}


def test_nesting_without_end_ends() -> None:
    """Deep lists, and objects that contain themselves many times over, are emptied below what is allowed."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    endless: dict[str, Any] = {}
    endless |= dict.fromkeys("abcdefghij", endless)

    assert str(scrub(deep)).count("[") == limits.NESTING_LEVELS + 3
    assert scrub(endless)["a"].keys() == endless.keys()


def test_too_many_values_are_removed_after_a_while() -> None:
    """What is wider than any event may be does not take for ever either."""
    row = ["x"] * 1_001
    wide = [row] * 1_001

    assert scrub(wide)[-1] == REMOVED


@pytest.mark.parametrize(
    "part", ["eyJ", "bearer ", "a.", "password=", '"password":"', "://:", "=:", "\\", "AKIA"]
)
def test_a_long_text_is_read_in_one_go(part: str) -> None:
    """A megabyte made to be slow ends well before the time-out of a test."""
    assert scrub(part * (1_000_000 // len(part))) is not None


_pieces = st.sampled_from(
    [
        *("Bearer  abcdefgh1234", "bEARER abcdefgh", JWT, "AKIAABCDEFGH12345678", "ASIAABCDEFGH12345678"),
        *("https://user:pass@host", "-----BEGIN PRIVATE KEY-----", "x", "\ud800", " ", "[removed]", "AKIA"),
        *("Pass_word", "api.", "\u212aey", "Key", "\u017fecret", "\u03a3", "\u0130", ":", "=", "@", "eyJ"),
    ]
)


@given(st.lists(_pieces, max_size=12).map("".join))
def test_what_is_looked_for_first_hides_no_secret(text: str) -> None:
    """Parts of texts decide which patterns run, and the result is that of all patterns."""
    patient = Scrubber(NAMES, [f"(?:{pattern})" for pattern in PATTERNS])
    patient._has_name = lambda _text: True  # type: ignore[method-assign, assignment]

    assert scrub({"a": text}) == patient.scrub({"a": text})


@pytest.mark.parametrize(("pattern", "literal"), LITERALS.items())
@given(data=st.data())
def test_every_match_has_the_literal_of_its_pattern(pattern: str, literal: str, data: st.DataObject) -> None:
    """In one of the two cases in which it is looked for, between any other texts."""
    matching = data.draw(st.from_regex(pattern))

    assert literal in _both_cases(matching)


_texts = st.one_of(_pieces, st.lists(_pieces, max_size=4).map("".join), st.text(max_size=5))
_values = st.one_of(_texts, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False))
_keys = st.sampled_from(["a", "b", "Pass_word", "https", "url"]) | st.integers() | _texts


@given(
    st.dictionaries(_keys, st.one_of(_values, st.lists(_values), st.dictionaries(_keys, _values))),
    st.sampled_from([NAMES, ["s"], ["http"], ["xy"], []]),
    st.sampled_from([PATTERNS, [*PATTERNS, "x.?x"], ["^x$"], []]),
)
@example({"url": "https://hunter2"}, ["http"], [])
@example({"a": "https://user:hunter2@host"}, NAMES, PATTERNS)
@example({"a": "https://password=hunter2"}, NAMES, PATTERNS)
@example({"a": "https://x", "b": "password: hunter2"}, NAMES, PATTERNS)
@example({"a": 1, "b": [{"Pass_word": 1}]}, NAMES, PATTERNS)
@example({7: "Bearer abcdefgh"}, NAMES, PATTERNS)
def test_one_look_at_a_whole_dictionary_hides_no_secret(
    members: dict[Any, Any], names: list[str], patterns: list[str]
) -> None:
    """The result is that of a look at each member, and a copy."""
    scrubber = Scrubber(names, patterns)

    found = scrubber.scrub(members)

    assert found == {key: scrubber.scrub([{key: member}])[0][key] for key, member in members.items()}
    assert found is not members


def test_the_lists_are_the_sites_own() -> None:
    """Other names and patterns stand instead of the default; none at all is possible."""
    own = Scrubber(["iban"], ["DE[0-9]{20}"]).scrub

    assert own({"IBAN": "x", "password": "kept"}) == {"IBAN": REMOVED, "password": "kept"}
    assert own("pay DE12345678901234567890") == f"pay {REMOVED}"
    assert Scrubber([], []).scrub({"password": "kept"}) == {"password": "kept"}


def test_settings_come_as_collections_or_as_text() -> None:
    """Text comes from the environment."""
    assert parse_names("iban, pin-code") == parse_names(["iban", "pin-code"]) == ("iban", "pin-code")
    assert parse_patterns("a,b{2}") == ("a,b{2}",)
    assert parse_patterns(()) == ()


@pytest.mark.parametrize("wrong", [7, ["a", 7], ["--"], "a,,b"])
def test_names_that_are_none_are_refused(wrong: object) -> None:
    """An empty name would be contained in every key."""
    with pytest.raises((TypeError, ValueError)):
        parse_names(wrong)


@pytest.mark.parametrize("wrong", [7, ["("], ["a*"], [7]])
def test_patterns_that_cannot_be_right_are_refused(wrong: object) -> None:
    """One that matches nothing would put a mark between any two characters."""
    with pytest.raises((TypeError, ValueError)):
        parse_patterns(wrong)
