"""Edge: a file of expected events, as the app publishes them, into what Mixpanel should have of each."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.reading.decode import read_group
from whyness_events.outcomes import Reason
from whyness_ops.audit.traces import OUTBOX_TRACES
from whyness_ops.audit.verdicts import ABSENT_MARKS
from whyness_ops.errors import FileFault

# The field with which the maker of the lines says why an event may be absent.
_ABSENT = "absent"


def write_expected(
    lines: Iterable[str], file: IO[bytes], *, identity: str, now_ms: int, derived: bool
) -> int:
    """Write the translated events, one a line; return how many break a rule, so that they are never sent.

    Args:
        lines: each a message of the contract: one event, or an envelope. `absent` beside its fields is
            `suppressed` or `forgotten`; or `parked` or `pending`, for an event that is still in the outbox.
        file: is given the events as `/import` takes them.
        identity: of messages that do not name one.
        now_ms: the clock, epoch milliseconds.
        derived: translate the user agent, too.

    Raises:
        FileFault: a line cannot be read.
    """
    translator = Translator(describe_useragent if derived else lambda _: {})
    refused_count = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        absent = _absent_mark(line, number)
        record = Record(f"line {number}", line)
        [record_events] = read_group([record], now_ms=now_ms, default_identity=identity)
        for item in record_events.items:
            if item.event is not None:
                ((translated, _),) = translator.translate([item.event], [item.identity])
                file.write(_marked(translated, absent) + b"\n")
            elif item.outcome is not None and item.outcome.reason is Reason.REJECTED:
                refused_count += 1
            else:
                detail = item.outcome.detail if item.outcome else ""
                raise FileFault(f"Line {number} of the expected events cannot be read: {detail}.")
    return refused_count


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


def _marked(translated: bytes, absent: str) -> bytes:
    return b'%b,"absent":"%b"}' % (translated[:-1], absent.encode()) if absent else translated


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
