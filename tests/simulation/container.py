"""One container: the real delivery code over the simulated ports, wired as the handler does it."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from local.invocation import Fault, InvocationResult
from tests.fakes import FakeClock, Responder
from tests.simulation.ports import (
    Fate,
    Killed,
    SimulatedDeadLetters,
    SimulatedLog,
    SimulatedPool,
    SimulatedSourceQueue,
)
from tests.simulation.queue_model import QueueModel, Received
from whyness_events.delivery.deliver import Deliverer
from whyness_events.delivery.items import Record
from whyness_events.delivery.redelivery import Redelivery
from whyness_events.delivery.report import Report
from whyness_events.delivery.useragent import describe_useragent

TIMEOUT_S = 120.0
_ANSWER_PART = 0.02  # as in the handler


class Place(Fate, Protocol):
    """What a container finds where it runs."""

    queue: QueueModel
    dead_letters: QueueModel

    def password(self) -> str:
        """Return the secret as it is now."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of one: Lambda's view of it, the report where there is one, and whether it was our bug."""

    result: InvocationResult
    report: Report | None = None
    bug: str = ""


class Container:
    """Keeps what a warm container keeps: the learned body size, the password.

    Args:
        place: the run.
        project_id: of its deployment.
        rng: jitter.
        respond: Mixpanel.
    """

    def __init__(self, place: Place, project_id: str, rng: random.Random, respond: Responder) -> None:
        self.project_id = project_id
        self.clock = FakeClock()
        self.kill_at_s = float("inf")
        self._place = place
        self.password = place.password()
        self._pool = SimulatedPool(self.clock, respond, fate=place, refresh=self._refresh)
        self.deliverer = Deliverer(
            pool=self._pool,
            dead_letters=SimulatedDeadLetters(self.clock, fate=place, queue=place.dead_letters),
            log=SimulatedLog(self.clock, fate=place),
            redelivery=Redelivery(SimulatedSourceQueue(place, place.queue), rng),
            clock=self.clock,
            rng=rng,
            describe_useragent=describe_useragent,
            default_identity="distinct_id",
            threads=4,
            answer_timeout_s=30.0,
        )

    def invoke(self, batch: Sequence[Received], run_id: str) -> Invocation:
        """Run one invocation from the clock's time on."""
        records = [_record(message) for message in batch]
        start_s = self.clock.monotonic_s()
        self.kill_at_s = start_s + TIMEOUT_S
        deadline_s = start_s + TIMEOUT_S * (1 - _ANSWER_PART)
        try:
            report = self.deliverer.deliver(records, run_id=run_id, deadline_s=deadline_s)
        except Killed:
            is_late = self.clock.monotonic_s() >= self.kill_at_s
            return Invocation(InvocationResult("", Fault.TIMEOUT if is_late else Fault.CRASH))
        except Exception as bug:  # noqa: BLE001  (the handler raises it again; here it is a finding)
            return Invocation(InvocationResult("", Fault.ERROR), bug=repr(bug))
        finally:
            self._pool.abandon_all()
        failed = dict.fromkeys(report.settled.failed_message_ids)
        answer = {"batchItemFailures": [{"itemIdentifier": found} for found in failed]}
        internal = f"internal fault: {dict(report.internal_faults)}" if report.internal_faults else ""
        return Invocation(InvocationResult(json.dumps(answer)), report, internal)

    def _refresh(self) -> bool:
        self.password = self._place.password()
        return True


MakeContainer = Callable[[Place, str, random.Random, Responder], Container]


def _record(message: Received) -> Record:
    return Record(
        message_id=message.message_id,
        body=message.body,
        receive_count=message.receive_count,
        sent_ms=message.sent_ms,
        receipt_handle=message.receipt_handle,
        log_key=message.attributes.get("log_key", ""),
    )
