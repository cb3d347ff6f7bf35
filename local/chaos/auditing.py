"""The audit of a row: what it says of the events that were offered, and whether the ledger says the same.

The ledger is the referee: it knows each event that was offered, and asks the simulator for what it has. The
audit knows the messages, and asks Mixpanel's raw export, as an operator does.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.accounting import Expected, Snapshot
from local.chaos.lane import Lane
from local.chaos.load import Load
from local.stack import PROJECT_ID
from whyness_ops.audit.verdicts import ACCOUNTED, FAULTY, Verdict

_TIMEOUT_S = 120.0
_A_MINUTE = timedelta(minutes=1)
# A missing event may have more to it; the ledger knows nothing of queues and names.
_ABSENT = (Verdict.MISSING, Verdict.UNDECIDED, Verdict.BLOCKED)


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit says.

    Args:
        matched_count: events that are in Mixpanel as expected.
        refused_count: offered events that break a rule, so that they are never sent.
        found: insert ids of the other events, by verdict.
    """

    matched_count: int
    refused_count: int
    found: Mapping[str, AbstractSet[str]]

    @property
    def absent(self) -> AbstractSet[str]:
        """The insert ids of the events that Mixpanel does not have."""
        return frozenset().union(*(self.found.get(verdict, ()) for verdict in _ABSENT))


def audit(lane: Lane, load: Load) -> Audit:
    """Audit the messages of a load by the operator's command.

    Raises:
        ProcessFailed: it could not judge.
    """
    expected, findings = lane.work_dir / "expected.jsonl", lane.work_dir / "findings.jsonl"
    expected.write_text("\n".join(load.bodies))
    options = {
        "since": "yesterday",
        "until": f"{datetime.now(UTC) + _A_MINUTE:%Y-%m-%dT%H:%M:%S}",
        "zone": "UTC",
        "project": PROJECT_ID,
        "export-url": lane.stack.simulator_url,
        "settled": "0",
        "findings": str(findings),
    }
    command = ["audit", str(expected), "--force", *(f"--{name}={value}" for name, value in options.items())]
    with lane.run("whyness_ops", *command, environment=lane.auditor) as process:
        process.wait_for_end(timeout_s=_TIMEOUT_S, allowed=(ACCOUNTED, FAULTY))
    with findings.open() as lines:
        return read(lines)


def read(lines: Iterable[str]) -> Audit:
    """Return what the lines of the findings say."""
    found, matched_count, refused_count = defaultdict[str, set[str]](set), 0, 0
    for line in map(json.loads, lines):
        if line["kind"] == "summary":
            matched_count, refused_count = line["verdicts"].get("matched", 0), line["refused"]
        elif line["kind"] == "event":
            found[line["verdict"]].add(line["insert_id"])
    return Audit(matched_count, refused_count, found)


def disagreements(audit: Audit, expected: Expected, snapshot: Snapshot) -> list[str]:
    """Return on what the audit and the ledger do not agree, for people."""
    offered = {key.insert_id: key for key in expected.fates}
    there = {key.insert_id: key for key in snapshot.at_mixpanel}
    both = offered.keys() & there.keys()
    different = {insert_id for insert_id in both if offered[insert_id] != there[insert_id]}
    unnamed = offered.keys() - there.keys() - audit.absent
    counts = {
        "matched": abs(len(both) - len(different) - audit.matched_count),
        "absent": len(audit.absent - (offered.keys() - there.keys()))
        + abs(len(unnamed) - audit.refused_count),
        "unexpected": len(audit.found.get(Verdict.UNEXPECTED, set()) ^ (there.keys() - offered.keys())),
        "different": len(audit.found.get(Verdict.DIFFERENT, set()) ^ different),
    }
    return [f"{what} events on which the audit disagrees: {count}" for what, count in counts.items() if count]
