"""What is shown of another's text: Mixpanel's own words, and nothing of what the request carried."""

import json

import pytest

from tests.builders import make_event
from whyness_events.delivery.mixpanel.safe_text import safe_texts
from whyness_events.delivery.mixpanel.translate import Translator

EVENT = make_event(
    insert_id="5d958f87-542d-4c10-9422-0ed75893dc81",
    event="Audio upload",
    user="4711",
    ip="8.8.8.8",
    data={"form": {"name": "Ada Lovelace", "mail": "ada@example.org", "note": 'said "hello"\nand left'}},
    properties={
        "plan": "Gold-Plus",
        "Initials": "B L",
        "amount": 1234.5,
        "town": "Zürich",
        "to": "Paris",
        "salary": 98765,
    },
)
ENCODED = [Translator(lambda _: {}).translate([EVENT], ["simplified"])[0][0]]


def _shown(text: str, encoded: list[bytes] | None = None) -> str:
    return safe_texts([text], lambda: ENCODED if encoded is None else encoded)[text]


DOCUMENTED = [
    "'properties.time' is invalid: must be specified as seconds since epoch",
    "'properties.time' is invalid: must not be missing",
    "'properties.time' is invalid: must not be in the future",
    "'properties.distinct_id' is invalid: must not be missing",
    "'$insert_id' is invalid: must only contain alphanumeric or hyphen '-' characters",
    "'event' must not be missing or blank",
    "properties.time is invalid: string should be valid utf8",
    "Some data points in the request failed validation.",
    "some data points in the request failed validation",
    "Invalid credentials",
    "request exceeds max limit of 2097152 bytes",
    "Project exceeded rate limits. Please retry the request with exponential backoff.",
    "identity events are not allowed when project is using simplified identity management",
    "project_id parameter is required",
]


@pytest.mark.parametrize("text", DOCUMENTED)
def test_documented_messages_are_shown_whatever_the_request_carried(text: str) -> None:
    """They are shown even if the request contained each of their words."""
    carried = [json.dumps([*DOCUMENTED, *text.split()]).encode()]

    assert _shown(text) == _shown(text, carried) == text


@pytest.mark.parametrize(
    "text",
    [
        "project_id parameter is wrong",
        "You don't have access to this project",
        "PERMISSION_DENIED: caller lacks a role (see policy), sorry!",
        "quota: 100 requests of 10MB, or 30s",
        "upstream request timeout, no metadata",
        "non-empty and/or well-known",
    ],
)
def test_other_plain_words_are_shown_where_the_request_did_not_carry_them(text: str) -> None:
    """Nobody publishes a catalogue of all messages."""
    assert _shown(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada Lovelace is not allowed", "'*' is not allowed"),
        ("ADA LOVELACE is not allowed", "'*' is not allowed"),
        ("Ada\nLovelace is not allowed", "'*' is not allowed"),
        ("xparisy is not allowed", "'*' is not allowed"),
        ("1987654 is not allowed", "'*' is not allowed"),
        ("gold-card is not allowed", "'*' is not allowed"),
        ("Lovel is not allowed", "'*' is not allowed"),
        ("B L is not allowed", "'*' is not allowed"),
        ("user 4711 is not allowed", "user '*' is not allowed"),
        ("user 471 is not allowed", "user 471 is not allowed"),
        ("98765 exceeds the limit", "'*' exceeds the limit"),
        ("9876 exceeds the limit", "'*' exceeds the limit"),
        ("gold-plus is not a plan", "'*' is not a '*'"),
        ("said hello and left", "'*' and '*'"),
        ("ada@example.org is not allowed", "'*' is not allowed"),
        ("address 8.8.8.8 is blocked", "address '*' is blocked"),
        ("Zürich is not allowed", "'*' is not allowed"),
        ("Initials is reserved", "'*' is reserved"),
        ("Audio upload", ""),
    ],
)
def test_what_the_request_carried_is_masked(text: str, shown: str) -> None:
    """In quotes or not, in any case, a part of a value or one glued to other letters: values and names."""
    assert _shown(text) == shown


@pytest.mark.parametrize(
    "secret",
    [
        "Basic d2h5bmVzcy5tcC1zZXJ2aWNlLWFjY291bnQ6c2VjcmV0",
        "Basic d2h5Onp6",
        "whyness.9f3a1c.mp-service-account",
        "kR7vQx2mWb9",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "correcthorsebatterystaple",
        "123456789",
        "anna@example.org",
        "Zoë",
        "10.0.0.1",
        "https://example.org/anna",
        "a=b",
        "%41%42",
        "a\\u0062",
    ],
)
def test_what_is_no_plain_word_is_masked_unseen(secret: str) -> None:
    """Credentials, addresses and encoded values, of which the request says nothing."""
    shown = _shown(f"refused {secret} here", [])

    assert secret.removeprefix("Basic ") not in shown
    assert shown.startswith("refused ")
    assert shown.endswith("'*' here")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("value 'anna@example.org' of \"e-mail\" is bad", "value '*' is bad"),
        ("value “anna” is bad", "value '*' is bad"),
        ("value `anna` is bad", "value '*' is bad"),
        ("value 'anna\nand more' is bad", "value '*' is bad"),
        ("value 'anna is bad, and the closing quote was cut off", "value '*'"),
        ("value 'x' is not 'anna", "value '*'"),
        ("value 'it's anna' is bad", "value '*' is bad"),
        ("properties.anna is invalid: string should be bad", "properties.* is invalid: string should be bad"),
        ("properties.name of anna must be bad", "properties.* must be bad"),
        ("properties.e-mail of anna: must not be missing", "properties.* must not be missing"),
        ("properties.anna", "properties.*"),
        ("properties.time must not be bad", "properties.time must not be bad"),
        ("'anna' and 'time' are bad", "'*'"),
        ("two\nlines\tand\x00more\u202e", "two lines and more"),
        ("wait...", "wait…"),
        ("", ""),
        ("\x00\x01\x02\x03", ""),
        ("!!!!", ""),
    ],
)
def test_quotes_and_names_are_masked_without_the_request(text: str, shown: str) -> None:
    """What an answer marks as a value or as a property's name is masked, even if it is a common word."""
    assert _shown(text, []) in (shown, shown if shown != "'*'" else "")


def test_long_text_is_cut_between_words() -> None:
    """A page in place of a message does not end up in an attribute."""
    shown = _shown("word " * 10_000)

    assert 150 < len(shown) <= 200
    assert shown.endswith("word…")


def test_texts_of_one_answer_are_masked_together() -> None:
    """However many they are, one look at the request is all; beyond some, only Mixpanel's words are shown."""
    looks: list[int] = []

    def carried() -> list[bytes]:
        looks.append(1)
        return ENCODED

    texts = [f"unknown number {'x' * (n % 19 + 1)}{'y' * (n // 19 % 19)} is invalid" for n in range(300)]
    shown = safe_texts([*texts, "Lovelace is invalid"], carried)

    assert len(looks) == 1
    assert set(shown) == {*texts, "Lovelace is invalid"}
    assert shown[texts[0]] == texts[0]
    assert shown[texts[-1]] == shown["Lovelace is invalid"] == "'*' is invalid"
