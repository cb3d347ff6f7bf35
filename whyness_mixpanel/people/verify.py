"""Compares the profiles that Mixpanel shows with the tables. `judge` is pure.

Only what was confirmed long ago is judged: Mixpanel does not document when a change is to be seen.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.utils import timezone

from whyness_mixpanel.people.changes import PAGE_ROWS, Reader
from whyness_mixpanel.people.profile import PERSON, Profile, profile_of
from whyness_mixpanel.people.query import Found
from whyness_mixpanel.people.state import Sender, State
from whyness_mixpanel.people.update import Project, Refused, Renderer, Update
from whyness_mixpanel.privacy.filters import spellings

SETTLED = timedelta(hours=6)
_ABSENT = object()


class Verdict(StrEnum):
    """What became of a profile."""

    MATCHED = "matched"
    WAITING = "waiting"  # sent, or changed, too lately; unsure; refused
    MISSING = "missing"
    DIFFERENT = "different"
    UNWANTED = "unwanted"
    UNKNOWN = "unknown"  # of no registered profile
    SECOND = "second"  # of a person who has another


FAULTS = frozenset(Verdict) - {Verdict.MATCHED, Verdict.WAITING}
REPAIRABLE = frozenset({Verdict.MISSING, Verdict.DIFFERENT, Verdict.UNWANTED})


class Confirmed(NamedTuple):
    """A row of PersonState."""

    key: int
    digest: str
    state: str
    unsure_at: datetime | None
    sent_at: datetime | None


class Finding(NamedTuple):
    """A fault of a person's profile, with the names of the properties that differ."""

    verdict: str
    source: str
    key: int
    names: Sequence[str] = ()


def judge(
    wanted: Update | Refused | None,
    confirmed: Confirmed | None,
    found: Found | None,
    settled_before: datetime,
) -> tuple[Verdict, Sequence[str]]:
    """Return what became of a person's profile, and the names of the properties that differ.

    Args:
        wanted: what the row is; None where the person may not have a profile.
        confirmed: the state; None where nothing was sent.
        found: what Mixpanel shows; None for nothing.
        settled_before: what was confirmed later is not judged.
    """
    if confirmed and (confirmed.unsure_at or (confirmed.sent_at and confirmed.sent_at > settled_before)):
        return Verdict.WAITING, ()
    if wanted is None:
        return (Verdict.UNWANTED if found else Verdict.MATCHED), ()
    is_sent = confirmed is not None and confirmed.state == State.SENT
    if isinstance(wanted, Refused) or confirmed is None or not is_sent or confirmed.digest != wanted.digest:
        return Verdict.WAITING, ()
    if found is None:
        return Verdict.MISSING, ()
    names = differences(wanted, found.properties)
    return (Verdict.DIFFERENT if names else Verdict.MATCHED), names


def differences(wanted: Update, properties: Mapping[str, Any]) -> list[str]:
    """Return the names of our properties that Mixpanel has otherwise; it may have others besides."""
    ours = json.loads(wanted.set_json)
    differ = [name for name, value in ours.items() if not _is_same(value, properties.get(name, _ABSENT))]
    stay = [name for name in json.loads(wanted.unset_json or "[]") if properties.get(name) is not None]
    return sorted({*differ, *stay})


def _is_same(ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


class Verification:
    """Judges pages of profiles, and at the end who is missing. `counts` and `findings` have the result.

    Args:
        profiles: those that are registered.
        project: where the profiles are.
        sender: whose states.
        scrub: replaces secrets.
    """

    def __init__(
        self,
        profiles: Sequence[Profile],
        *,
        project: Project,
        sender: Sender,
        scrub: Callable[[Any], Any],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self.began = timezone.now()
        self._project, self._sender = project, sender
        self._readers = {one.name: Reader(one, Renderer(one, project, scrub), sender) for one in profiles}
        self._profiles = {one.name: one for one in profiles}
        self._seen: dict[str, set[int]] = defaultdict(set)

    def take(self, found: Iterable[Found]) -> None:
        """Judge a page.

        Raises:
            CannotFilter: it is unknown who may have a profile.
        """
        seen: dict[str, dict[int, Found]] = defaultdict(dict)
        for each in found:
            self._place(each, seen)
        for source, profiles in seen.items():
            for key, verdict, names in self._judged(source, profiles):
                self._tell(Finding(verdict, source, key, names))
            self._seen[source].update(profiles)

    def to_json(self) -> dict[str, Any]:
        """Return what was judged so far, without values."""
        seen = {source: sorted(keys) for source, keys in self._seen.items()}
        began = self.began.isoformat()
        return {"began": began, "counts": self.counts, "findings": self.findings, "seen": seen}

    def go_on(self, judged: Mapping[str, Any]) -> None:
        """Take over what `to_json` returned in an earlier run."""
        self.began = datetime.fromisoformat(judged["began"])
        self.counts = Counter(judged["counts"])
        self.findings = [
            each for each in (Finding(*one) for one in judged["findings"]) if each.source in self._readers
        ]
        for source, keys in judged["seen"].items():
            self._seen[source].update(keys)

    def end(self) -> None:
        """Judge who was on no page; raises as `take`."""
        for source in self._readers:
            for keys in self._absent(source):
                for key, verdict, names in self._judged(source, dict.fromkeys(keys)):
                    if verdict is Verdict.MISSING:
                        self._tell(Finding(verdict, source, key, names))

    def _place(self, each: Found, seen: Mapping[str, dict[int, Found]]) -> None:
        """Put a profile to its source and key; one without `person` is not of this site."""
        person = each.properties.get(PERSON)
        about = profile_of(person) if isinstance(person, str) else None
        if about is None or about[0].name not in self._readers:
            self.counts[Verdict.UNKNOWN] += PERSON in each.properties
            return
        source, key = about[0].name, about[1]
        is_of_other_mode = each.distinct_id in {*spellings(str(person))} - {
            self._project.distinct_id(str(person))
        }
        if is_of_other_mode or key in seen[source] or key in self._seen[source]:
            self._tell(Finding(Verdict.SECOND, source, key))
        else:
            seen[source][key] = each

    def _judged(
        self, source: str, found: Mapping[int, Found | None]
    ) -> Iterator[tuple[int, Verdict, Sequence[str]]]:
        fields = Confirmed._fields
        states = self._sender.states(source, key__in=found).values_list(*fields)
        confirmed = {row[0]: Confirmed(*row) for row in states}
        wanted = self._readers[source].wanted(list(found))
        for key, each in found.items():
            yield key, *judge(wanted.get(key), confirmed.get(key), each, self.began - SETTLED)

    def _absent(self, source: str) -> Iterator[list[int]]:
        """Yield the keys of people whose profiles were confirmed long ago, and on no page."""
        sent = self._sender.states(source, state=State.SENT, sent_at__lte=self.began - SETTLED)
        last: dict[str, int] = {}
        while keys := list(sent.filter(**last).values_list("key", flat=True)[:PAGE_ROWS]):
            yield [key for key in keys if key not in self._seen[source]]
            last = {"key__gt": keys[-1]}

    def _tell(self, finding: Finding) -> None:
        self.counts[finding.verdict] += 1
        if finding.verdict in FAULTS:
            self.findings.append(finding)

    def repair(self) -> int:
        """Have the next pass send, or delete, what can be repaired; return how many people these are.

        The lease must be held.
        """
        about: dict[str, list[Update]] = defaultdict(list)
        for each in self.findings:
            if each.verdict in REPAIRABLE:
                about[each.source].append(Update(each.key, self._profiles[each.source].person(each.key)))
        slices = [
            (source, some[start : start + PAGE_ROWS])
            for source, some in about.items()
            for start in range(0, len(some), PAGE_ROWS)
        ]
        return sum(len(some) for source, some in slices if self._sender.send_again(source, some))
