"""Whatever the settings and whatever happens to a record, it ends in the dead-letter queue with a reason."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW_MS, make_body, make_event, make_record
from tests.fakes import Late, Posted
from tests.responders import LOST, NEVER
from tests.world import VISIBILITY_S, World
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.settings import Settings, SettingsFault, read_settings
from whyness_events.delivery.settling.exhaust import Patience
from whyness_events.delivery.settling.redelivery import Redelivery

DAY_S = 86_400.0
SOUND = {
    "MIXPANEL_PROJECT_ID": "1",
    "MIXPANEL_SERVICE_ACCOUNT": "account",
    "MIXPANEL_SERVICE_PASSWORD": "password",
    "QUEUE_URL": "http://127.0.0.1/events",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/dead",
    "LOG_TABLE_NAME": "log",
}
VALUES = {
    "EXHAUST_AFTER_S": (1, 3_600, 259_200, 600_000, 939_960, 946_440, 946_800),
    "REDELIVERY_BASE_S": (0.1, 1, 15, 900),
    "REDELIVERY_CAP_S": (0.1, 60, 400, 900, 1_800, 3_600),
    "MAX_RECEIVE_COUNT": (110, 111, 140, 205, 475, 1_000),
}


def allowed() -> Iterator[Settings]:
    """Yield the settings of all combinations that are allowed."""
    for values in itertools.product(*VALUES.values()):
        with contextlib.suppress(SettingsFault):
            yield read_settings(SOUND | dict(zip(VALUES, map(str, values), strict=True)))


class Death(BaseException):
    """The process ends."""


def die(_: str) -> Any:
    """End the process."""
    raise Death


def wait(_: Posted) -> Answer:
    """Ask for the longest pause that is granted."""
    return Answer(429, retry_after="86400")


def never(_: Posted) -> Late:
    """Do not answer."""
    return Late(LOST, NEVER)


def world_of(chosen: Settings, fate: str, *, is_hidden: bool) -> World:
    """Return a world in which this happens to each record."""
    world = World(never if fate == "hangs" else wait)
    deliverer = world.deliverer
    world.queue.most = 1 if is_hidden else 0
    deliverer.patience = Patience(chosen.exhaust_after_s, chosen.max_receive_count)
    pauses_s = chosen.redelivery_base_s, chosen.redelivery_cap_s
    deliverer.redelivery = Redelivery(world.queue, deliverer.rng, *pauses_s)
    deliverer.translator = Translator(die if fate == "dies" else describe_useragent)
    return world


@settings(max_examples=50, deadline=None)
@given(
    chosen=st.deferred(lambda: st.sampled_from(list(allowed()))),  # not while the tests are collected
    fate=st.sampled_from(["dies", "waits", "hangs"]),
    is_hidden=st.booleans(),
)
def test_no_record_reaches_the_queues_14_days_or_its_own_count(
    chosen: Settings, fate: str, *, is_hidden: bool
) -> None:
    """One that ends the process at each receive, and one that is handed back each time, both in time.

    Where the queue does not take the pauses, it comes back after the queue's own timeout.
    """
    world = world_of(chosen, fate, is_hidden=is_hidden)
    body = make_body(make_event(useragent="x"))

    for receive_count in range(1, chosen.max_receive_count):
        record = make_record(body, sent_ms=NOW_MS, receive_count=receive_count, receipt_handle="receipt")
        world.queue.delays.clear()
        with contextlib.suppress(Death):
            world.deliver(record)
        if world.dead_letters.sent:
            break
        world.clock.sleep(max(1.0, world.queue.delays.get("receipt", VISIBILITY_S)))

    (dead_letter,) = world.dead_letters.sent
    assert dead_letter.attributes["reason"] == "exhausted"
    assert ("unread" in dead_letter.attributes["detail"]) or fate != "dies"
    assert world.clock.passed_s <= 13 * DAY_S
    assert world.clock.passed_s >= min(chosen.exhaust_after_s, 3 * DAY_S) or fate == "dies"


def test_many_settings_are_allowed() -> None:
    """The property above speaks of more than the defaults."""
    assert len(list(allowed())) > 100


@settings(max_examples=50, deadline=None)
@given(
    chosen=st.deferred(lambda: st.sampled_from(list(allowed()))),  # not while the tests are collected
    early_ms=st.lists(st.integers(1, 3_600_000), min_size=1, max_size=20),
    has_neighbour=st.booleans(),
    is_hidden=st.booleans(),
)
def test_no_event_is_given_up_before_its_time(
    chosen: Settings, early_ms: list[int], *, has_neighbour: bool, is_hidden: bool
) -> None:
    """Alone or beside one that fails at each try, whether or not the queue hides its record until then."""
    world = world_of(chosen, "waits", is_hidden=is_hidden)
    waiting = make_event()
    events = [make_event(time=NOW_MS + each) for each in early_ms]
    body = make_body(*events, *([waiting] if has_neighbour else []))

    receive_count = 0
    while world.clock.now_s() * 1000 <= NOW_MS + max(early_ms):
        receive_count += 1
        record = make_record(body, sent_ms=NOW_MS, receive_count=receive_count, receipt_handle="receipt")
        world.queue.delays.clear()
        world.deliver(record)
        assert world.dead_letters.sent == []
        world.clock.sleep(max(1.0, world.queue.delays.get("receipt", VISIBILITY_S)))
