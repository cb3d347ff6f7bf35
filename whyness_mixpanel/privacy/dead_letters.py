"""Deletes a person's events from the dead-letter queue, and keeps those of all others."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from whyness_events.dead_letter import REASON
from whyness_events.wire import to_sqs_json
from whyness_mixpanel import conf, sqs_hosts
from whyness_mixpanel.privacy.filters import people_of
from whyness_ops import Aws, DeadLetter, DeadLetterQueue, SetupFault, Stop
from whyness_ops.dead_letter_queue import Hold


@dataclass(slots=True)
class PurgeReport:
    """The counts of a purge.

    Attributes:
        looked_at: dead letters inspected.
        purged: dead letters about these people only, deleted (in a dry run: to be deleted).
        rewritten: dead letters about others too, replaced by dead letters with the others' events.
        unreadable: dead letters whose people cannot be read; they stay.
        not_deleted: dead letters whose deletion the queue did not confirm.
        hidden: messages that another process is inspecting.
        arrived_since: dead letters that arrived during the purge, and were not inspected.
        complete: whether every dead letter was inspected.
    """

    looked_at: int = 0
    purged: int = 0
    rewritten: int = 0
    unreadable: int = 0
    not_deleted: int = 0
    hidden: int = 0
    arrived_since: int = 0
    complete: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether no event of the people can be left."""
        return self.complete and not self.not_deleted and not self.hidden

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self) | {"is_clean": self.is_clean}


def queue_from_settings() -> DeadLetterQueue | None:
    """Return the dead-letter queue, None if DEAD_LETTER_QUEUE_URL is not set."""
    url = conf.DEAD_LETTER_QUEUE_URL.get()
    if not url:
        return None
    return DeadLetterQueue(
        Aws(region=conf.REGION.get() or sqs_hosts.region_of(url) or conf.region()).sqs, url
    )


def purge(queue: DeadLetterQueue, users: Collection[str], *, dry_run: bool) -> PurgeReport:
    """Delete the events about `users`.

    Raises:
        whyness_ops.OpsError: the queue cannot be read.
    """
    report = PurgeReport()
    unwanted = set(users)
    with queue.hold(Stop()) as hold:
        for batch in hold.batches():
            report.looked_at += len(batch)
            report.unreadable += sum(not dead_letter.raw_events for dead_letter in batch)
            done = [
                dead_letter
                for dead_letter in batch
                if _about(dead_letter, unwanted)
                and _keep_others(dead_letter, unwanted, hold, report, dry_run=dry_run)
            ]
            if done and not dry_run:
                report.not_deleted += hold.delete(done)
        report.arrived_since = hold.arrived_since
        report.complete = not (hold.is_full or hold.arrived_since)
    report.hidden = 0 if dry_run else queue.depth().hidden
    return report


def _about(dead_letter: DeadLetter, unwanted: set[str]) -> bool:
    return any(people_of(raw) & unwanted for raw in dead_letter.raw_events)


def _keep_others(
    dead_letter: DeadLetter, unwanted: set[str], hold: Hold, report: PurgeReport, *, dry_run: bool
) -> bool:
    """Send the events of others as a new dead letter; return whether this one may be deleted."""
    others = [raw for raw in dead_letter.raw_events if not people_of(raw) & unwanted]
    if not others:
        report.purged += 1
        return True
    report.rewritten += 1
    if not dry_run:
        hold.put(_body(dead_letter, others), {**dead_letter.attributes, REASON: dead_letter.reason})
    return True


def _body(dead_letter: DeadLetter, raw_events: list[Any]) -> str:
    message = dead_letter.message
    if message is None:
        raise SetupFault("a dead letter without a message has no events")
    identity = {"identity": message.identity} if message.identity else {}
    return to_sqs_json(
        {"schema_version": message.schema_version, **identity, **message.fields, "events": raw_events}
    )
