"""Another's text never brings along what a request carried."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import events
from tests.unit.delivery.mixpanel.test_safe_text import DOCUMENTED
from whyness_events import IDENTITIES
from whyness_events.delivery.mixpanel.answers import judge
from whyness_events.delivery.mixpanel.safe_text import safe_texts
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.mixpanel.vocabulary import WORDS
from whyness_events.delivery.ports import Answer

_letters = st.text("abcdefgxyzABC", min_size=1, max_size=12)
_words = _letters | st.sampled_from(
    ["Ada", "Lovelace", "4711", "is", "not-so", "Zürich", "STRASSE", "a.b@c.de"]
)
_phrases = st.lists(_words, min_size=1, max_size=3).map(" ".join)
_realistic = st.fixed_dictionaries(
    {"name": _phrases, "tags": st.lists(_phrases, max_size=3), "n": st.integers(0, 10**10)},
    optional={"deep": st.dictionaries(_phrases, _phrases, max_size=3)},
)
_cases: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, str.upper, str.lower, str.title, str.swapcase, str.casefold]
)
_quotes = st.sampled_from(
    ["{}", "'{}'", '"{}"', "“{}”", "`{}`", "({})", "<{}>", "x{}y", "{},", "'{}", "{}'s", "-{}-"]
)
_fillers = st.sampled_from(
    [*DOCUMENTED, "unknown words say", "value", "of", "", "properties.", "don't", "\n"]
)


def _values(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _values(member)
    elif isinstance(value, list):
        for member in value:
            yield from _values(member)
    elif value is not None:
        yield value if isinstance(value, str) else json.dumps(value)


@st.composite
def _requests(draw: st.DrawFn) -> list[bytes]:
    encoded = [
        Translator(describe_useragent).translate([event], [draw(st.sampled_from(IDENTITIES))])[0][0]
        for event in draw(st.lists(events(), max_size=2))
    ]
    return encoded + [
        json.dumps(each, ensure_ascii=False).encode() for each in draw(st.lists(_realistic, max_size=2))
    ]


@st.composite
def _quoting(draw: st.DrawFn) -> tuple[list[bytes], list[str], str]:
    """Return a request, its values, and a text that is made of them and of other words."""
    encoded = draw(_requests().filter(bool))
    values = [value for text in encoded for value in _values(json.loads(text))]
    pieces: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        value = draw(st.sampled_from(values))
        cut = draw(st.integers(0, len(value)))
        gap = draw(st.sampled_from(["", " ", "\n", "\t", "-", ","]))
        split = f"{value[:cut]}{gap}{value[cut:]}"
        pieces += [draw(_fillers), draw(_quotes).format(draw(_cases)(split))]
    return encoded, values, draw(st.sampled_from([" ", ", ", ""])).join([*pieces, draw(_fillers)])


def _is_mixpanels(value: str) -> bool:
    """Whether its words are those that Mixpanel says, whoever sent them."""
    folded = value.casefold()
    own = {*WORDS, "properties.*", "utf8"}
    words = [word.strip("([.,:;!?)]") for word in folded.split()]
    return all(word in own for word in words) or any(folded in text.casefold() for text in DOCUMENTED)


@given(_quoting())
def test_no_value_of_the_request_is_shown(quoting: tuple[list[bytes], list[str], str]) -> None:
    """Whatever the text makes of it: in any case, split, quoted or glued to other letters."""
    encoded, values, text = quoting

    shown = safe_texts([text], lambda: encoded)[text].casefold()

    told = [v for v in values if len(v) >= 4 and v.casefold() in shown and not _is_mixpanels(v)]
    assert told == []


@given(_quoting(), st.sampled_from([200, 400, 401, 403, 413, 429, 503]), st.integers(0, 4))
def test_no_value_of_the_request_is_in_a_verdict(
    quoting: tuple[list[bytes], list[str], str], status: int, shape: int
) -> None:
    """Neither in the detail nor in a reason, wherever the answer has the text."""
    encoded, values, text = quoting
    entry = {"index": 0, "field": text, "message": text}
    bodies: list[Any] = [
        {"error": text},
        {"num_records_imported": len(encoded) - 1, "failed_records": [entry]},
        {"num_records_imported": 0, "failed_records": [text, entry], "error": {"message": text}},
        {"errors": [text, {"detail": text}], "status": text},
        text,
    ]
    answer = Answer(status, json.dumps(bodies[shape]).encode(errors="replace"))

    verdict = judge(answer, [""] * len(encoded), now_s=0, carried=lambda: encoded)

    shown = " ".join([verdict.detail, *verdict.named.values()]).casefold()
    ours = (
        "mixpanel says answered with a report that does not add up body is not a report is not json refused"
    )
    told = [v for v in values if len(v) >= 4 and v.casefold() in shown and not _is_mixpanels(v)]
    assert [value for value in told if value.casefold() not in ours] == []


@given(_requests(), st.sampled_from(DOCUMENTED))
def test_documented_messages_stay_readable(encoded: list[bytes], text: str) -> None:
    """Whatever the request carried."""
    assert safe_texts([text], lambda: encoded)[text] == text


_secrets = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_-", min_size=20, max_size=80
)


@given(_secrets, _quotes, _fillers, _fillers)
def test_no_long_token_is_shown(secret: str, quote: str, before: str, after: str) -> None:
    """Keys, hashes and base64: nobody can tell what they hold. Words of letters alone may be joined."""
    shown = safe_texts([f"{before} {quote.format(secret)} {after}"], list)

    assert secret not in str(shown.values()) or re.fullmatch(
        r"(?:[A-Z]?[a-z]{1,19}|[A-Z]{1,19}|[-_/])+", secret
    )


@given(st.lists(st.text(), max_size=4), _requests())
def test_text_is_short_and_can_be_printed_everywhere(texts: list[str], encoded: list[bytes]) -> None:
    """In a log line, a row, and an attribute of a dead letter; total, and each text has an answer."""
    shown = safe_texts(texts, lambda: encoded)

    assert set(shown) == set(texts)
    assert all(len(text) <= 200 and text.isprintable() for text in shown.values())
