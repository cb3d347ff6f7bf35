"""Pure: replaces secrets in an event's `data` and `properties`, JSON values, at any depth."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from whyness_events import limits
from whyness_mixpanel.scrub import LITERALS, plain_name

REMOVED = "[removed]"

# The contract refuses more levels and more bytes than this, so what lies beyond is never sent.
_LEVELS = (
    limits.NESTING_LEVELS + 2
)  # values of `data` and `properties` have that many, and one more is refused
_VALUES = int(limits.EVENT_BYTES)

# `password=…`, `"api_key": "…"` also with its quotes escaped, `Authorization: Basic …`, up to the value. A
# name begins at a boundary, so that a long text is read once.
_NAME_IS = re.compile(r"""(?<![\w.%\[\]-])([\w.%\[\]-]++)[\\"']{0,4}[ \t]{0,9}[:=][ \t]{0,9}(\\{0,3}["'])?""")
_QUOTED = {quote: re.compile(rf"(?s:[^{quote}\\]|\\.)*+") for quote in "\"'"}
_BARE = re.compile(r"""(?i:(?:basic|bearer|digest|token)[ ]+)?[^\s"'&;,}]*+""")
_TEXT, _SCALARS = frozenset({str}), frozenset({str, int, float, bool, type(None)})
# Longer keys are not kept, nor more of them.
_KEYS, _KEY_CHARACTERS = 1_024, 100


class Scrubber:
    """Replaces secrets.

    Args:
        names: parts of keys, letters and digits.
        patterns: regular expressions for parts of texts.
    """

    def __init__(self, names: Sequence[str], patterns: Sequence[str]) -> None:
        self._names = [plain for name in names if (plain := plain_name(name))]
        self._is_secret = _Keys(self._has_name)
        # A site's own pattern may match any text.
        self._patterns = [(LITERALS.get(pattern, ""), re.compile(pattern)) for pattern in patterns]
        self._literals = [literal for literal, _ in self._patterns]
        # The colon at the start of a URL belongs to no secret, unless the site says that `https` is one.
        self._scheme = "" if self._has_name("https") else "https://"

    def scrub(self, value: Any) -> Any:
        """Return a copy of `value` without secrets.

        Ends for any nesting, even of a container in itself: containers that are too deep are emptied, and
        values beyond the limit are removed. The contract refuses such events anyway.
        """
        if type(value) is dict and self._is_clean(value):
            return value.copy()
        return self._scrub(value, _LEVELS, [_VALUES])

    def _is_clean(self, flat: dict[Any, Any]) -> bool:
        """Whether one look at all of a dictionary finds no secret: nearly always, where nothing is nested."""
        if not (_TEXT.issuperset(map(type, flat)) and _SCALARS.issuperset(map(type, flat.values()))):
            return False
        if True in [self._is_secret[key] for key in flat]:
            return False
        texts = [value.removeprefix(self._scheme) for value in flat.values() if type(value) is str]
        text = "\n".join(texts)
        both = _both_cases(text)
        return True not in [literal in both for literal in self._literals] and not self._may_have_pairs(text)

    def _scrub(self, value: Any, levels: int, left: list[int]) -> Any:
        left[0] -= 1
        if left[0] < 0:
            return REMOVED
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._members(value, levels, left)
        if isinstance(value, list):
            return [self._scrub(member, levels - 1, left) for member in value] if levels else []
        return value

    def _members(self, value: dict[Any, Any], levels: int, left: list[int]) -> dict[Any, Any]:
        if not levels:
            return {}
        return {
            key: REMOVED
            if isinstance(key, str) and self._is_secret[key]
            else self._scrub(member, levels - 1, left)
            for key, member in value.items()
        }

    def _text(self, text: str) -> str:
        both = _both_cases(text)
        for literal, pattern in self._patterns:
            if literal in both:
                text = pattern.sub(REMOVED, text)
        return self._pairs(text) if self._may_have_pairs(text) else text

    def _may_have_pairs(self, text: str) -> bool:
        return ("=" in text or ":" in text) and self._has_name(text)

    def _has_name(self, text: str) -> bool:
        plain = plain_name(text)
        return any([name in plain for name in self._names])  # noqa: C419  (a generator takes twice as long)

    def _pairs(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        for name in _NAME_IS.finditer(text):
            if name.start() < done or not self._is_secret[name[1]]:
                continue
            start = name.end()
            parts += [text[done:start], REMOVED]
            done = _end_of_value(text, start, name[2] or "")
        return "".join([*parts, text[done:]])


def _both_cases(text: str) -> str:
    """Return a text in which the literals of all patterns can be found."""
    return f"{text}\n{text.lower()}"


def _end_of_value(text: str, start: int, quote: str) -> int:
    """Return the end of the value that begins at `start`, after `quote`."""
    if text.startswith(REMOVED, start):
        return start + len(REMOVED)
    if len(quote) > 1:
        end = text.find(quote, start)
        return len(text) if end < 0 else end
    if text.startswith(("{", "["), start):
        return len(text)  # finding its end is not worth it: remove the rest
    rest = (_QUOTED[quote] if quote else _BARE).match(text, start)
    return rest.end() if rest else start


class _Keys(dict[str, bool]):
    """Whether keys are secret. Keys repeat, so each is judged once; a stranger may send many."""

    def __init__(self, judge: Callable[[str], bool]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, key: str) -> bool:
        is_secret = self._judge(key)
        if len(key) <= _KEY_CHARACTERS and len(self) < _KEYS:
            self[key] = is_secret
        return is_secret
