from collections import Counter

from local.accounting import keys_in
from local.chaos.load import Bad, Mix, make_load, poison_id

NOW_MS = 1_763_900_000_000


def test_every_event_is_in_a_message_and_has_a_fate() -> None:
    """The bodies have exactly the events with a fate, once each."""
    load = make_load("row", 500, Mix(bad_share=0.02, poison=True), now_ms=NOW_MS)

    assert Counter(key for body in load.bodies for key in keys_in(body)) == Counter(
        load.expected.fates.keys()
    )
    assert len(load.expected.fates) == 503


def test_most_events_travel_packed_and_some_alone() -> None:
    """Both shapes of a body are in every load."""
    load = make_load("row", 1_000, Mix(), now_ms=NOW_MS)

    sizes = [len(keys_in(body)) for body in load.bodies]

    assert sizes.count(1) == 100
    assert max(sizes) > 10


def test_the_smallest_load_has_every_kind_of_bad_event() -> None:
    """A share that rounds to nothing still gives one event of each kind."""
    load = make_load("row", 100, Mix(bad_share=0.001), now_ms=NOW_MS)

    assert Counter(load.expected.fates.values()) == {"": 98, "rejected": 2}


def test_no_two_events_share_an_insert_id() -> None:
    """Insert ids are unique within a load, and all begin with its prefix."""
    load = make_load("row", 300, Mix(poison=True), now_ms=NOW_MS)

    ids = {key.insert_id for key in load.expected.fates}

    assert len(ids) == 303
    assert all(insert_id.startswith("row-") for insert_id in ids)


def test_the_poison_is_one_event_that_dies_with_its_message_only() -> None:
    """Its message has two others with the same fate; no other event has it."""
    load = make_load("row", 100, Mix(poison=True), now_ms=NOW_MS)

    [body] = [body for body in load.bodies if poison_id("row") in body]

    assert {key for key, fate in load.expected.fates.items() if fate == "crashed"} == set(keys_in(body))


def test_events_that_only_mixpanel_refuses_may_be_delivered_in_the_end() -> None:
    """A mix decides what becomes of its bad events."""
    load = make_load("row", 100, Mix(bad_share=0.1, kinds=(Bad.AT_MIXPANEL,), fate=""), now_ms=NOW_MS)

    assert set(load.expected.fates.values()) == {""}
    assert sum('"list":' in body for body in load.bodies) > 0
