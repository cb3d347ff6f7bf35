"""What must be true when a run is over: every event is counted, in every place."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.mixpanel_model import FourFields
from tests.simulation.ledger import Ledger
from tests.simulation.log_model import LogModel
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import State


def problems(
    ledger: Ledger,
    counted: Sequence[FourFields],
    log: LogModel,
    log_keys: dict[str, set[LogKey]],
) -> Iterator[str]:
    """Yield the promises that a run broke.

    Args:
        ledger: of the run.
        counted: the four fields of each event in Mixpanel's reports.
        log: the Log table.
        log_keys: of each event that was dead-lettered, where its rows are.
    """
    yield from _counted_once(ledger, counted)
    for key in ledger.expected:
        yield from _in_its_place(ledger, key)
    for key, rows in log_keys.items():
        if len(rows) == 1 and key not in ledger.doubt.unlogged and not rows & log.doubtful:
            yield from _row_is_right(ledger, key, log, *rows)


def _counted_once(ledger: Ledger, counted: Sequence[FourFields]) -> Iterator[str]:
    for fields, count in Counter(counted).items():
        if fields not in ledger.owner or count > 1:
            yield f"counted twice, or by other fields than the message's: {fields}"
    for key in ledger.expected:
        if len(field_sets := ledger.counted(key)) > 1:
            yield f"counted twice, for its fields were changed: {field_sets}"


def _in_its_place(ledger: Ledger, key: str) -> Iterator[str]:
    is_counted, is_dead = bool(ledger.counted(key)), ledger.held["dead"][key] > 0
    if not (is_counted or is_dead or ledger.held["message"][key]):
        yield f"in neither place: {key[:200]}"
    doubt = ledger.doubt
    is_doubtful = key in doubt.unknown or key in doubt.twice or ledger.sent[key] > 1
    if is_counted and is_dead and not is_doubtful:
        yield f"counted and dead, and every answer was known: {key[:200]}"
    most = ledger.sent[key] + doubt.resent[key]
    if ledger.dead_letters[key] > most:
        yield f"{ledger.dead_letters[key]} dead letters where {most} can be explained: {key[:200]}"


def _row_is_right(ledger: Ledger, key: str, log: LogModel, log_key: LogKey) -> Iterator[str]:
    row = log.rows.get(log_key)
    is_dead = ledger.held["dead"][key] > 0
    if row is None:
        yield f"no Log row for {key[:200]}"
    elif is_dead and not ledger.counted(key) and row.state != State.DEAD:
        yield f"dead, and its Log row says {row.state}: {key[:200]}"
    elif ledger.counted(key) and not is_dead and row.state != State.DELIVERED:
        yield f"delivered after a redrive, and its Log row says {row.state}: {key[:200]}"
