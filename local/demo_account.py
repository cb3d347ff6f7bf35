"""The demo's account: where every event is, and whether the site and the Log table agree. Pure."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local.accounting import DELIVERED, Expected, Fate, Key, Snapshot, account


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What the site says: its rows as events and as profiles, its counters, and what its audit matched."""

    logged: Sequence[Key]
    published_count: int
    failed_count: int
    audited_count: int
    profiles: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RawMessages:
    """What must become of the events in raw messages: those that Mixpanel takes, and the others."""

    delivered: Collection[Key]
    dead: Sequence[Fate]


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """The account. Without `problems`, `published` is the sum of `delivered` and all `dead`."""

    logged: int
    published: int
    delivered: int
    audited: int
    profiles: int
    dead: Mapping[str, int]
    log_rows: int
    in_flight: int
    lost: int
    double_counted: int
    problems: Sequence[str]

    def to_json(self) -> str:
        """Return the account as one line of JSON."""
        names = (name for name in self.__slots__ if name != "problems")
        return json.dumps({name: getattr(self, name) for name in names})


def demo_account(
    site: SiteReport,
    raw: RawMessages,
    snapshot: Snapshot,
    log_keys: Sequence[str],
    profiles: Mapping[str, Mapping[str, Any]],
) -> DemoAccount:
    """Account for the events of the site and of the raw messages, and for the site's people.

    `log_keys` are the Log table's, `profiles` are those at Mixpanel, by person.
    """
    fates = dict.fromkeys([*site.logged, *raw.delivered], DELIVERED)
    events = account(Expected(fates, raw.dead), snapshot)
    # An event that the site reports as not published is a problem of its own, and not lost.
    events = replace(events, lost=max(0, events.lost - site.failed_count))
    return DemoAccount(
        logged=len(site.logged),
        published=site.published_count + len(raw.delivered) + len(raw.dead),
        delivered=events.delivered,
        audited=site.audited_count,
        profiles=_equal_count(site, profiles),
        dead=dict(sorted(Counter(letter.fate.reason for letter in snapshot.dead_letters).items())),
        log_rows=len(log_keys),
        in_flight=events.waiting,
        lost=events.lost,
        double_counted=events.double_counted,
        problems=[*events.problems, *_disagreements(site, snapshot, log_keys, profiles)],
    )


def _equal_count(site: SiteReport, profiles: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(profiles.get(person) == row for person, row in site.profiles.items())


def _disagreements(
    site: SiteReport,
    snapshot: Snapshot,
    log_keys: Sequence[str],
    profiles: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    rows, named = Counter(log_keys), Counter(letter.log_key for letter in snapshot.dead_letters)
    counts = {
        "events logged but not published": len(site.logged) - site.published_count,
        "events that could not be published": site.failed_count,
        "rows of the site that are the same event as another row": len(site.logged) - len(set(site.logged)),
        "rows of the site that the audit does not find in Mixpanel's export": len(site.logged)
        - site.audited_count,
        "people of the site whose profile at Mixpanel is not what their row says": len(site.profiles)
        - _equal_count(site, profiles),
        "profiles at Mixpanel of nobody on the site": len(profiles.keys() - site.profiles.keys()),
        "dead letters without a row in the Log table": (named - rows).total(),
        "rows in the Log table without a dead letter": (rows - named).total(),
    }
    return [f"{what}: {count}" for what, count in counts.items() if count]
