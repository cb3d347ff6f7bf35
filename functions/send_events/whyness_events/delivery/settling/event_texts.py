"""Pure: cut the texts of the events out of a body. Nothing is decoded, so each text is exactly what was sent.

Huge numbers, `NaN` and nesting of any depth stay as they are: a decoder has accepted the body as JSON, and
only strings, brackets and commas matter here.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NAME = re.compile(_STRING, re.DOTALL)
_BRACKET = re.compile(rf'(?:[^"\[\]{{}}]++|{_STRING})*+([\[\]{{}}])', re.DOTALL)
_BRACKET_OR_COMMA = re.compile(rf'(?:[^"\[\]{{}},]++|{_STRING})*+([\[\]{{}},])', re.DOTALL)
_BLANKS = " \t\r\n"


class EventTexts(Struct, frozen=True):
    """The JSON texts of a body's parts.

    Args:
        events: the JSON of each event.
        fields: the JSON of the envelope's other members, by name.
        is_envelope: False if the body is itself the one event.
    """

    events: Sequence[str]
    fields: Mapping[str, str]
    is_envelope: bool = True


def cut(body: str) -> EventTexts:
    """Return the texts in a body that a decoder has accepted as an event or an envelope."""
    members = dict(_members(body))  # of equal names the last one counts, as in the decoders
    if "events" not in members:
        return EventTexts([body], {}, is_envelope=False)
    fields = {name: text for name, text in members.items() if name != "events"}
    return EventTexts(list(_split(members["events"])), fields)


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the JSON of each member of an object, in order."""
    for member in _split(text):
        name = _NAME.match(member)
        if name is not None:
            value = member[name.end() :].lstrip(_BLANKS)
            yield json.loads(name[0]), value[1:].lstrip(_BLANKS)


def _split(text: str) -> Iterator[str]:
    """Yield the JSON of each element of an array, or of each member of an object."""
    depth = start = position = 0
    while token := (_BRACKET if depth > 1 else _BRACKET_OR_COMMA).match(text, position):
        position = token.end()
        if token[1] in "[{":
            depth += 1
            start = position if depth == 1 else start
            continue
        if depth == 1 and (element := text[start : position - 1].strip(_BLANKS)):
            yield element
            start = position
        depth -= token[1] != ","
