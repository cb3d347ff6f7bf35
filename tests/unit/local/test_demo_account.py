import json
from dataclasses import replace
from typing import Any

import pytest

from local.accounting import DeadLetter, Fate, Key, Snapshot, Waiting
from local.demo_account import DemoAccount, RawMessages, SiteReport, demo_account

UNREADABLE = DeadLetter(Fate("m-1", "unreadable", by_mixpanel=False), "m-1#0/x", ())


def key(number: int) -> Key:
    """Return the event of row `number`."""
    return Key("Video watched", "2", 1_763_900_000_000 + number, str(number))


PROFILES = {person: {"person": person, "uid": f"u-{person}"} for person in ("2", "p:2")}
SITE = SiteReport(
    logged=[key(1), key(2), key(3)],
    published_count=3,
    failed_count=0,
    audited_count=3,
    profiles=PROFILES,
)
RAW = RawMessages(delivered={key(4)}, dead=[UNREADABLE.fate])
FOUND = Snapshot([key(number) for number in range(1, 5)], dead_letters=[UNREADABLE], waiting=[])


def accounted(
    *,
    site: SiteReport = SITE,
    snapshot: Snapshot = FOUND,
    log_keys: tuple[str, ...] = ("m-1#0/x",),
    profiles: dict[str, dict[str, str]] = PROFILES,
) -> DemoAccount:
    """Return the account, by default of a run in which all went well."""
    return demo_account(site, RAW, snapshot, log_keys, profiles)


def test_all_that_was_sent_is_accounted_for() -> None:
    """If every event has arrived, there are no problems, and the figures add up."""
    account = accounted()

    assert account.problems == []
    assert json.loads(account.to_json()) == {
        "logged": 3,
        "published": 5,
        "delivered": 4,
        "audited": 3,
        "profiles": 2,
        "dead": {"unreadable": 1},
        "log_rows": 1,
        "in_flight": 0,
        "lost": 0,
        "double_counted": 0,
    }
    assert account.published == account.delivered + sum(account.dead.values())


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"log_keys": ()}, ["dead letters without a row in the Log table: 1"]),
        ({"log_keys": ("m-1#0/x", "other")}, ["rows in the Log table without a dead letter: 1"]),
        (
            {"site": replace(SITE, audited_count=2)},
            ["rows of the site that the audit does not find in Mixpanel's export: 1"],
        ),
        (
            {"profiles": {"2": PROFILES["2"]}},
            ["people of the site whose profile at Mixpanel is not what their row says: 1"],
        ),
        (
            {"profiles": {**PROFILES, "2": {**PROFILES["2"], "$city": "Ashburn"}}},
            ["people of the site whose profile at Mixpanel is not what their row says: 1"],
        ),
        (
            {"profiles": {**PROFILES, "1": {"person": "1"}}},
            ["profiles at Mixpanel of nobody on the site: 1"],
        ),
        ({"site": replace(SITE, published_count=2)}, ["events logged but not published: 1"]),
        (
            {"site": replace(SITE, logged=[*SITE.logged, key(3)], published_count=4, audited_count=4)},
            ["rows of the site that are the same event as another row: 1"],
        ),
        ({"snapshot": replace(FOUND, at_mixpanel=FOUND.at_mixpanel[1:])}, ["events lost: 1"]),
        (
            {
                "snapshot": replace(
                    FOUND, at_mixpanel=FOUND.at_mixpanel[1:], waiting=[Waiting("m-9", (key(1),))]
                )
            },
            ["events still in the queue: 1"],
        ),
    ],
)
def test_each_disagreement_is_a_problem(changes: dict[str, Any], problems: list[str]) -> None:
    """Of the site, the Log table and the places of the events, each is named by itself."""
    assert accounted(**changes).problems == problems


def test_event_that_the_site_could_not_publish_is_not_lost_but_named() -> None:
    """The site reports it: `send()` did not return True."""
    site = replace(SITE, published_count=2, failed_count=1)

    account = accounted(site=site, snapshot=replace(FOUND, at_mixpanel=FOUND.at_mixpanel[1:]))

    assert account.lost == 0
    assert account.problems == ["events logged but not published: 1", "events that could not be published: 1"]
