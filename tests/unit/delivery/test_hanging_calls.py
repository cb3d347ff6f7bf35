"""A call to AWS that hangs makes no invocation late, however short the function's timeout."""

from collections.abc import Callable, Sequence

import pytest

from tests.builders import make_body, make_event, make_raw, make_record
from tests.fakes import Late
from tests.responders import LOST, NEVER, always
from tests.world import World
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import SHORTEST_CALL_S, call_s
from whyness_events.delivery.settling.exhaust import SUSPECT_FROM
from whyness_events.outcomes import Reason

HANGS = float("inf")
TIMEOUTS_S = [10.0, 11.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0]


def hang_dead_letters(world: World) -> None:
    """Let dead letters hang."""
    world.dead_letters.call_s = HANGS


def hang_log(world: World) -> None:
    """Let rows hang, and the marks of what is delivered."""
    world.log.call_s = HANGS


def hang_queue(world: World) -> None:
    """Let pauses and deletions hang, those that hide suspects included."""
    world.queue.call_s = HANGS


def hang_all(world: World) -> None:
    """Let everything at AWS hang."""
    for hang in (hang_dead_letters, hang_log, hang_queue):
        hang(world)


def hang_mixpanel(world: World) -> None:
    """Let Mixpanel hang, so that sending takes all of its time, and AWS too."""
    hang_all(world)
    world.respond = always(Late(LOST, NEVER))


def all_kinds() -> Sequence[Record]:
    """Return records of all kinds: each operation has something to do."""
    bad = [make_raw(time=1) for _ in range(150)]
    return [
        make_record(make_event(), receive_count=990, receipt_handle="unread"),
        make_record(make_event(insert_id="17"), log_key=f"17/{'0' * 16}", receipt_handle="redriven"),
        *[make_record(f"no JSON {n}", receipt_handle=f"bad-{n}") for n in range(30)],
        make_record(make_body(*bad), receipt_handle="many"),
        make_record('{"schema_version":2}', receipt_handle="newer"),
        *[make_record(receive_count=SUSPECT_FROM, receipt_handle=f"suspect-{n}") for n in range(40)],
    ]


@pytest.mark.parametrize("timeout_s", TIMEOUTS_S)
@pytest.mark.parametrize("hang", [hang_dead_letters, hang_log, hang_queue, hang_all, hang_mixpanel])
def test_hanging_call_overruns_no_timeout(timeout_s: float, hang: Callable[[World], None]) -> None:
    """`deliver` fails where the invocation is not over by its deadline; nothing unsafe is acknowledged."""
    world = World(timeout_s=timeout_s)
    hang(world)
    records = all_kinds()

    report = world.deliver(*records)

    safe = {record.message_id for record in records} - set(report.settled.failed_message_ids)
    dead = {dead_letter.attributes["source_message_id"] for dead_letter in world.dead_letters.sent}
    assert len(safe - dead) <= report.outcomes[Reason.DELIVERED]


@pytest.mark.parametrize("timeout_s", TIMEOUTS_S)
@pytest.mark.parametrize("hang", [hang_log, hang_queue])
def test_what_does_not_hang_is_done(timeout_s: float, hang: Callable[[World], None]) -> None:
    """Neither rows nor pauses are worth a delivery or a dead letter of the fresh records."""
    world = World(timeout_s=timeout_s)
    hang(world)
    records = [record for record in all_kinds() if record.receive_count < SUSPECT_FROM]

    report = world.deliver(*records)

    (waiting,) = report.settled.failed_message_ids
    assert waiting == records[-1].message_id
    assert len(world.dead_letters.sent) == 180
    assert report.outcomes[Reason.DELIVERED] == 1


@pytest.mark.parametrize("timeout_s", TIMEOUTS_S)
def test_neighbours_are_delivered_whatever_hangs_at_aws(timeout_s: float) -> None:
    """A hanging dead-letter queue takes its share of the time, and no more."""
    world = World(timeout_s=timeout_s)
    hang_dead_letters(world)

    report = world.deliver(*all_kinds())

    assert report.outcomes[Reason.DELIVERED] >= 20
    assert world.dead_letters.sent == []


@pytest.mark.parametrize(
    ("left_s", "seconds"),
    [(-1.0, 0.0), (0.1, 0.0), (SHORTEST_CALL_S, SHORTEST_CALL_S), (4.0, 4.0), (99.0, 10.0)],
)
def test_a_call_takes_what_is_left_and_is_not_begun_for_too_little(left_s: float, seconds: float) -> None:
    """Cut short it could take effect unseen: a dead letter that is sent twice."""
    assert call_s(left_s) == seconds
