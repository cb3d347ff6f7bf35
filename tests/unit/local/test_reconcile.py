import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.reconcile import (
    DeadLetter,
    Expected,
    Fate,
    Found,
    Key,
    Waiting,
    key_at_mixpanel,
    keys_in,
    reconcile,
)

NOBODY = Fate("m-1", "unreadable", by_mixpanel=False)
UNREADABLE = DeadLetter(NOBODY, "m-1#0/x", ())


def key(number: int, **changes: Any) -> Key:
    """Return the event of row `number`."""
    return Key("Video watched", "2", 1_763_900_000_000 + number, str(number))._replace(**changes)


def dead(event: Key) -> DeadLetter:
    """Return the dead letter of an event that the site has logged."""
    return DeadLetter(Fate(f"m-{event.insert_id}", "rejected", by_mixpanel=True), event.insert_id, (event,))


EXPECTED = Expected(logged=[key(1), key(2), key(3)], delivered={key(4, insert_id="raw")}, dead=[NOBODY])
FOUND = Found(
    published_count=3,
    failed_count=0,
    at_mixpanel=[key(1), key(2), key(3), key(4, insert_id="raw")],
    dead_letters=[UNREADABLE],
    log_keys=["m-1#0/x"],
    waiting=[],
)


def test_all_that_was_sent_is_accounted_for() -> None:
    """Where each event is where it should be, there are no problems, and the figures add up."""
    account = reconcile(EXPECTED, FOUND)

    assert account.problems == []
    assert json.loads(account.to_json()) == {
        "logged": 3,
        "published": 5,
        "delivered": 4,
        "dead": {"unreadable": 1},
        "log_rows": 1,
        "in_flight": 0,
        "lost": 0,
        "double_counted": 0,
    }
    assert account.published == account.delivered + sum(account.dead.values())


@pytest.mark.parametrize(
    ("changes", "figures", "problem"),
    [
        ({"at_mixpanel": FOUND.at_mixpanel[1:]}, {"lost": 1}, "1 events are lost"),
        ({"at_mixpanel": FOUND.at_mixpanel[:3]}, {"lost": 1}, "1 events are lost"),
        ({"dead_letters": [], "log_keys": []}, {"lost": 1}, "1 events are lost"),
        (
            {"at_mixpanel": [*FOUND.at_mixpanel, key(1, time_ms=1)]},
            {"double_counted": 1},
            "1 events count twice at Mixpanel",
        ),
        (
            {"at_mixpanel": [*FOUND.at_mixpanel, key(1)]},
            {"double_counted": 1},
            "1 events count twice at Mixpanel",
        ),
        (
            {"at_mixpanel": [*FOUND.at_mixpanel, key(9)]},
            {"delivered": 5},
            "1 events are at Mixpanel that nobody sent",
        ),
        (
            {"dead_letters": [UNREADABLE, UNREADABLE], "log_keys": ["m-1#0/x"] * 2},
            {"dead": {"unreadable": 2}},
            "1 dead letters were not expected",
        ),
        (
            {"log_keys": []},
            {"log_rows": 0},
            "1 dead letters and rows of the Log table have no counterpart",
        ),
        (
            {"log_keys": ["m-1#0/x", "other"]},
            {"log_rows": 2},
            "1 dead letters and rows of the Log table have no counterpart",
        ),
        ({"published_count": 2, "failed_count": 1}, {}, "1 events could not be published"),
        ({"published_count": 2}, {}, "1 events were logged and not published"),
    ],
)
def test_each_way_to_go_wrong_is_a_problem(
    changes: dict[str, Any], figures: dict[str, Any], problem: str
) -> None:
    """Whatever is missing, doubled, or where it should not be, is named, and shows in the figures."""
    account = reconcile(EXPECTED, replace(FOUND, **changes))

    assert problem in account.problems
    assert figures.items() <= json.loads(account.to_json()).items()


def test_wrong_user_is_a_loss_and_a_stranger() -> None:
    """Counts alone would see nothing: the same number of events, one of them with another person."""
    found = replace(FOUND, at_mixpanel=[key(1, user="3"), *FOUND.at_mixpanel[1:]])

    account = reconcile(EXPECTED, found)

    assert account.delivered == 4
    assert account.problems == ["1 events are lost", "1 events are at Mixpanel that nobody sent"]


def test_event_of_the_site_among_the_dead_letters_is_not_lost_but_not_expected() -> None:
    """It is safe, so that it is not lost; but the demo sends none that should die."""
    letter = dead(key(1))
    found = replace(
        FOUND,
        at_mixpanel=FOUND.at_mixpanel[1:],
        dead_letters=[UNREADABLE, letter],
        log_keys=["m-1#0/x", letter.log_key],
    )

    account = reconcile(EXPECTED, found)

    assert account.lost == 0
    assert account.problems == ["1 dead letters were not expected"]


def test_event_in_both_places_is_a_problem() -> None:
    """An event may not be delivered and dead."""
    letter = dead(key(1))
    found = replace(FOUND, dead_letters=[UNREADABLE, letter], log_keys=["m-1#0/x", letter.log_key])

    assert "1 events are at Mixpanel and among the dead letters" in reconcile(EXPECTED, found).problems


def test_what_waits_in_the_queue_is_in_flight_and_not_lost() -> None:
    """Events of a message that is still there, readable or not, are not lost, but the account is open."""
    found = replace(
        FOUND,
        at_mixpanel=FOUND.at_mixpanel[2:],
        dead_letters=[],
        log_keys=[],
        waiting=[Waiting("m-9", (key(1), key(2))), Waiting("m-1", ())],
    )

    account = reconcile(EXPECTED, found)

    assert (account.in_flight, account.lost) == (3, 0)
    assert account.problems == ["3 events are still in the queue"]


def test_event_that_the_site_could_not_publish_is_not_lost_but_named() -> None:
    """The site knows of it and said so: `send()` did not return True."""
    found = replace(FOUND, published_count=2, failed_count=1, at_mixpanel=FOUND.at_mixpanel[1:])

    account = reconcile(EXPECTED, found)

    assert account.lost == 0
    assert account.problems


@given(places=st.lists(st.sampled_from(["mixpanel", "dead", "queue", "nowhere"]), max_size=30))
def test_lost_are_exactly_those_that_are_nowhere(places: list[str]) -> None:
    """However the events are spread, each is counted in one place."""
    events = dict(enumerate(places, 1))
    at = {place: [key(number) for number, where in events.items() if where == place] for place in set(places)}
    letters = [dead(event) for event in at.get("dead", [])]
    found = Found(
        published_count=len(events),
        failed_count=0,
        at_mixpanel=at.get("mixpanel", []),
        dead_letters=letters,
        log_keys=[letter.log_key for letter in letters],
        waiting=[Waiting(event.insert_id, (event,)) for event in at.get("queue", [])],
    )

    account = reconcile(Expected([key(number) for number in events], set(), []), found)

    assert account.lost == len(at.get("nowhere", []))
    assert account.in_flight == len(at.get("queue", []))
    parts = [account.delivered, *account.dead.values(), account.in_flight, account.lost]
    assert account.published == sum(parts)
    assert (not account.problems) == (set(places) <= {"mixpanel"})


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ('{"insert_id": "1", "event": "e", "user": "2", "time": 3, "ip": "x"}', (Key("e", "2", 3, "1"),)),
        (
            '{"events": [{"insert_id": "1", "event": "e", "user": "2", "time": 3}, {"event": "e"}, 4]}',
            (Key("e", "2", 3, "1"),),
        ),
        ("not JSON", ()),
        ("[1]", ()),
        ("7", ()),
        ("[" * 100_000, ()),
    ],
)
def test_keys_are_read_from_any_body(body: str, keys: tuple[Key, ...]) -> None:
    """Events that have all four fields are found; what has none is no error."""
    assert keys_in(body) == keys


def test_key_of_an_event_at_mixpanel() -> None:
    """The four fields have other names there."""
    event = {
        "event": "e",
        "properties": {"distinct_id": "2", "time": 3, "$insert_id": "1", "ip": 0},
    }

    assert key_at_mixpanel(event) == Key("e", "2", 3, "1")
