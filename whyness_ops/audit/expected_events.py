"""Edge: a file of expected events, as the app publishes them, into what Mixpanel should have of each."""

import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.reading.decode import read_group
from whyness_events.errors import UnreadableMessage
from whyness_events.outcomes import Reason
from whyness_ops.audit.auditing import Expected
from whyness_ops.audit.traces import OUTBOX_TRACES
from whyness_ops.audit.verdicts import ABSENT_MARKS
from whyness_ops.errors import FileFault
from whyness_ops.files import private

# The field with which the maker of the lines says why an event may be absent.
_ABSENT = "absent"


def write_expected(
    lines: Iterable[str], directory: Path, *, identity: str, now_ms: int, derived: bool
) -> Expected:
    """Write a file of the translated events.

    Args:
        lines: each a message of the contract: one event, or an envelope. `absent` beside its fields is
            `suppressed` or `forgotten`; or `parked` or `pending`, for an event that is still in the outbox.
        directory: where the file goes; it has each event as `/import` takes it.
        identity: of messages that do not name one.
        now_ms: the clock, epoch milliseconds.
        derived: translate the user agent, too.

    Raises:
        FileFault: a line cannot be read.
    """
    path, translator, refused = directory / "expected.jsonl", translator_of(derived=derived), 0
    with open(path, "xb", opener=private) as file:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            absent = _absent_mark(line, number)
            try:
                translated = translate_message(line, translator, identity=identity, now_ms=now_ms)
            except UnreadableMessage as fault:
                raise FileFault(f"Line {number} of the expected events cannot be read: {fault}.") from None
            file.writelines(to_line(event, absent) for event in translated if event)
            refused += translated.count(None)
    return Expected([path], refused)


@functools.cache
def translator_of(*, derived: bool) -> Translator:
    """Return a translator of the expected events.

    Args:
        derived: translate the user agent, too.
    """
    return Translator(describe_useragent if derived else lambda _: {})


def translate_message(body: str, translator: Translator, *, identity: str, now_ms: int) -> list[bytes | None]:
    """Return what Mixpanel should have of each event of a message; None for one that breaks a rule.

    Args:
        body: as it is sent.
        translator: of the events.
        identity: where the message does not name one.
        now_ms: the clock, epoch milliseconds.

    Raises:
        UnreadableMessage: it cannot be read.
    """
    translated: list[bytes | None] = []
    [record_events] = read_group([Record("a message", body)], now_ms=now_ms, default_identity=identity)
    for item in record_events.items:
        if item.event is not None:
            ((event, _),) = translator.translate([item.event], [item.identity])
            translated.append(event)
        elif item.outcome is not None and item.outcome.reason is Reason.REJECTED:
            translated.append(None)
        else:
            raise UnreadableMessage(item.outcome.detail if item.outcome else "")
    return translated


def to_line(translated: bytes, absent: str = "") -> bytes:
    """Return the line of an event, with the reason why it may be absent."""
    if absent:
        return b'%b,"absent":"%b"}\n' % (translated[:-1], absent.encode())
    return translated + b"\n"


def _absent_mark(line: str, number: int) -> str:
    if f'"{_ABSENT}"' not in line:
        return ""
    try:
        mark = json.loads(line).get(_ABSENT, "")
    except (ValueError, AttributeError, RecursionError):
        return ""  # the decoder says what is wrong with the line
    if mark not in (*ABSENT_MARKS, *OUTBOX_TRACES, ""):
        allowed = ", ".join([*ABSENT_MARKS, *OUTBOX_TRACES])
        raise FileFault(f"Line {number} of the expected events: `absent` must be one of {allowed}.")
    return str(mark)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file.

    Raises:
        FileFault: it cannot be read, or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from file
    except UnicodeDecodeError:
        raise FileFault(f"{path} is not UTF-8. Write the expected events as JSON lines.") from None
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror}.") from None
