"""Pure and total: mask in another's text whatever may come from the request.

Mixpanel or a proxy may repeat what it was sent, with or without quotes. So words are shown one by one: those
of Mixpanel's vocabulary, and English words and short numbers that the request did not contain.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from whyness_events.delivery.mixpanel.vocabulary import FIELDS, OWN_NAMES, WORDS

# Returns the events of the request, encoded for Mixpanel.
Carried = Callable[[], Iterable[bytes]]

_SHOWN_CHARS = 200
# Bounds on the work: characters of a text, texts of an answer, words to look up.
_READ_CHARS = 400
_MOST_TEXTS = 16
_MOST_WORDS = 60
# A shorter part of a value does not give it away.
_PART_CHARS = 4

# Placeholders while a text is processed. They are not printable, so no text holds them.
_MASK, _QUOTE, _APOSTROPHE = "\x01", "\x02", "\x03"
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_OURS = FIELDS | {"properties.*", "utf8", "UTF-8", "-"}
_NAME = r"[$A-Za-z0-9_-]+(?:\.[$A-Za-z0-9_*]+)?"
_QUOTED_NAME = re.compile(f"[{_QUOTES}]({_NAME})[{_QUOTES}]")
_CONTRACTION = re.compile("(?<=[A-Za-z])['\u2019](?=(?:t|s|re|ve|ll)\\b)")
# What follows a quote in Mixpanel's texts. Source: the answers quoted in its documentation, 2026-11-23.
_AFTER_A_QUOTE = (" is ", " must ", " characters")
_OWN_PATH = f"(?:{'|'.join(map(re.escape, OWN_NAMES))})(?:[{_QUOTE}:]| is | must |$)"
# A name may hold anything, even blanks, so it is masked up to the words that end it, or to the end of the
# text.
_PROPERTY_PATH = re.compile(rf"properties\.(?!{_OWN_PATH})(?:.*(?= is invalid| must )|.*)")

# Secrets have longer words, capitals within them, or digits among letters.
_WORD = r"\$?(?:[A-Z]?[a-z]{1,19}|[A-Z]{1,19})"
_PLAIN = rf"{_WORD}(?:[-_/{_APOSTROPHE}]{_WORD})*|[0-9]{{1,8}}(?:[kKMG]?B|ms|s)?"
_CORE = f"(?P<plain>{_PLAIN})|{_MASK}|{_QUOTE}?(?P<name>{_NAME}){_QUOTE}?"
_TOKEN = re.compile(rf"[(\[]?(?:{_CORE})?[)\].,:;!?…]{{0,2}}")
_MASKS = re.compile(f"{_MASK}(?:[,:;]? {_MASK})+")
_JOINT = re.compile("[-_/$]")
_ANY_QUOTE = re.compile(f"[{_QUOTES}]")
_SAYS_SOMETHING = re.compile("[A-Za-z0-9]")
_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
_DIGITS = re.compile(r"[0-9]{4,}")


class _Token(NamedTuple):
    """A word of a text, or its mask.

    Args:
        text: the word with its punctuation.
        unknown: the word and its parts; it is shown only if the request contained none of them.
    """

    text: str
    unknown: tuple[str, ...] = ()


class _Known(NamedTuple):
    """What the request contained.

    Args:
        absent: words that are in none of its values.
        values: values of at least four characters that are also in the texts, Mixpanel's words aside.
    """

    absent: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()


_Draft = tuple[_Token, ...]
_MASKED = _Token(_MASK)


def safe_texts(texts: Iterable[str], carried: Carried) -> dict[str, str]:
    """Return the safe form of each text, at most 200 printable characters; `""` if that says nothing.

    Args:
        texts: as received.
        carried: returns the events of the request; called only if a text has words to look up.
    """
    drafts = {text: _draft(text) for text in texts}
    inspected = list(dict.fromkeys(drafts.values()))[:_MOST_TEXTS]
    known = _look_up(inspected, carried)
    shown = {draft: _show(draft, known) for draft in inspected}
    return {
        text: shown[draft] if draft in shown else _show(draft, _Known()) for text, draft in drafts.items()
    }


def _draft(text: str) -> _Draft:
    """Return the words of the text, with quotes masked."""
    text = text[:_READ_CHARS]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    named = _QUOTED_NAME.sub(_keep_ours, _CONTRACTION.sub(_APOSTROPHE, text))
    unquoted = _PROPERTY_PATH.sub("properties.*", _mask_quoted(named))
    return tuple(map(_token, unquoted.replace("...", "…").split()))


def _keep_ours(quoted: re.Match[str]) -> str:
    return f"{_QUOTE}{quoted[1]}{_QUOTE}" if quoted[1] in _OURS else quoted[0]


def _mask_quoted(text: str) -> str:
    """Mask from the first quote to the last, because a value may hold quotes; to the end if it is unclear."""
    places = [quote.start() for quote in _ANY_QUOTE.finditer(text)]
    if not places:
        return text
    rest = text[places[-1] + 1 :]
    is_closed = len(places) % 2 == 0 and rest.startswith(_AFTER_A_QUOTE)
    return f"{text[: places[0]]}{_MASK}{rest if is_closed else ''}"


def _token(text: str) -> _Token:
    token = _TOKEN.fullmatch(text)
    if token is None or not (token["name"] is None or token["name"] in _OURS):
        return _MASKED
    word = (token["plain"] or "").partition(_APOSTROPHE)[0].lower()
    if not word or word in WORDS:
        return _Token(text)
    return _Token(text, (word, *(part for part in _JOINT.split(word) if part and part not in WORDS)))


def _look_up(drafts: Sequence[_Draft], carried: Carried) -> _Known:
    unknown = (word for draft in drafts for token in draft for word in token.unknown)
    words = list(dict.fromkeys(unknown))[:_MOST_WORDS]
    if not words:
        return _Known()
    parts = [word for word in words if len(word) >= _PART_CHARS]
    wholes = "|".join(re.escape(word) for word in words if len(word) < _PART_CHARS) or "(?!)"
    whole = re.compile(f"(?<![a-z0-9])(?:{wholes})(?![a-z0-9])")
    texts = "\n".join(map(_joined, drafts)).lower()
    present: set[str] = set()
    values: set[str] = set()
    for encoded in carried():
        event = _ESCAPE.sub(" ", encoded.decode(errors="replace").casefold())
        present.update([word for word in parts if word in event], whole.findall(event))
        pieces = {*event.split('"'), *_DIGITS.findall(event)} - WORDS
        values.update(value for value in pieces if len(value) >= _PART_CHARS and value in texts)
    return _Known(frozenset(words) - present, frozenset(values))


def _joined(tokens: Iterable[_Token]) -> str:
    return " ".join(token.text for token in tokens)


def _show(draft: _Draft, known: _Known) -> str:
    lowered = _joined(draft).lower()
    values = [match.span() for value in known.values for match in re.finditer(re.escape(value), lowered)]
    end = -1
    tokens: list[_Token] = []
    for token in draft:
        start, end = end + 1, end + 1 + len(token.text)
        touched = any(first < end and last > start for first, last in values)
        may_show = not token.unknown or (known.absent.issuperset(token.unknown) and not touched)
        tokens.append(token if may_show else _MASKED)
    return _finish(_MASKS.sub(_MASK, _joined(tokens)))


def _finish(text: str) -> str:
    if not _SAYS_SOMETHING.search(text):
        return ""
    shown = text.replace(_MASK, "'*'").replace(_QUOTE, "'").replace(_APOSTROPHE, "'")
    return shown if len(shown) <= _SHOWN_CHARS else f"{shown[: _SHOWN_CHARS - 1].rpartition(' ')[0]}…"
