"""One container: the real delivery code over the simulated ports, wired as the handler does it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from local.invocation import Fault, InvocationResult
from tests.fakes import Late
from tests.simulation.ledger import as_known, is_newer
from tests.simulation.pool import SimulatedPool
from tests.simulation.ports import SimulatedDeadLetterQueue, SimulatedLog, SimulatedSourceQueue
from tests.simulation.process import Killed, Place, Process
from tests.simulation.queue_model import Received
from tests.simulation.scenario import Version
from tests.simulation.traffic import DIES_AT_ONCE, DIES_READING, NEVER_ENDS
from whyness_events.dead_letter import LOG_KEY
from whyness_events.delivery.deliver import Deliverer
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.ports import Answer, DeadLetter
from whyness_events.delivery.settling.exhaust import Patience
from whyness_events.delivery.settling.redelivery import Redelivery

TIMEOUT_S = 120.0
_ANSWER_PART = 0.02  # as in the handler


class Home(Place, Protocol):
    """What a container finds where it runs."""

    def password(self) -> str:
        """Return the secret as it is now."""

    def post(self, container: "Container", body: bytes) -> Answer | Late:
        """Answer a request to Mixpanel."""

    def take_dead_letter(self, container: "Container", dead_letter: DeadLetter) -> str:
        """Put a dead letter into its queue, and look at it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a record had come to its invocation.

    Args:
        sent_s: when it was sent, epoch seconds.
        receive_count: from 1.
    """

    sent_s: float
    receive_count: int


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of one: Lambda's view of it, the report where there is one, and whether it was our bug."""

    result: InvocationResult
    report: Report | None = None
    bug: str = ""


class _NewerBody(str):
    """A body of the newer version as its reader takes it; the queue and its hash have it as it came.

    It has no place in the fast decoder, which takes nothing but strings proper: it gets the second look.
    """

    __slots__ = ("came_as",)
    came_as: str

    def startswith(self, *beginning: Any) -> bool:
        if beginning == ('{"schema_version"',):
            raise msgspec.DecodeError
        return super().startswith(*beginning)

    def encode(self, *how: Any, **named: Any) -> bytes:
        return self.came_as.encode(*how, **named)


class _DeadlyBody(str):
    """A body that ends the process when it is first read; as text it may be passed on."""

    __slots__ = ("process",)
    process: Process

    def startswith(self, *_: Any) -> bool:
        self.process.die("poison", "first read")


class Container:
    """Keeps what a warm container keeps: what it learned of Mixpanel, the password.

    Args:
        place: the run.
        version: that is deployed.
        max_receive_count: the queue's.
    """

    def __init__(self, place: Home, version: Version, max_receive_count: int) -> None:
        self.version = version
        self.process = Process(place)
        self.started_s = place.scheduler.now_s
        self.password = place.password()
        self.arrivals: Mapping[str, Arrival] = {}
        self._place = place
        self.dead_letters = SimulatedDeadLetterQueue(self.process, self._take_dead_letter)
        self._pool = SimulatedPool(self.process, lambda body: place.post(self, body), self._refresh)
        self.deliverer = Deliverer(
            pool=self._pool,
            dead_letters=self.dead_letters,
            log=SimulatedLog(self.process),
            redelivery=Redelivery(SimulatedSourceQueue(self.process), place.rng),
            clock=self.process,
            rng=place.rng,
            describe_useragent=self._describe_useragent,
            default_identity=version.identity,
            threads=4,
            answer_timeout_s=30.0,
            patience=Patience(version.exhaust_after_s, max_receive_count),
        )
        self.deliverer.container_state.size.limit_bytes = version.request_bytes

    def invoke(self, batch: Sequence[Received], run_id: str) -> Invocation:
        """Run one invocation, in a task."""
        records = [self._record(message) for message in batch]
        self.arrivals = {m.message_id: Arrival(m.sent_ms / 1000, m.receive_count) for m in batch}
        self.dead_letters.confirmed.clear()
        self.process.struck.clear()
        self.started_s = self.process.now_s()
        self.process.kill_at_s = self.started_s + TIMEOUT_S
        self.process.thaw()
        deadline_s = self.started_s + TIMEOUT_S * (1 - _ANSWER_PART)
        try:
            report = self.deliverer.deliver(records, run_id=run_id, deadline_s=deadline_s)
        except Killed:
            is_late = self.process.now_s() >= self.process.kill_at_s
            return Invocation(InvocationResult("", Fault.TIMEOUT if is_late else Fault.CRASH))
        except Exception as bug:  # noqa: BLE001  (the handler raises it again; here it is a finding)
            return Invocation(InvocationResult("", Fault.ERROR), bug=repr(bug))
        finally:
            self._pool.abandon_all()
            self.process.freeze()
        failed = dict.fromkeys(report.settled.failed_message_ids)
        answer = {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
        internal = f"internal fault: {dict(report.internal_faults)}" if report.internal_faults else ""
        return Invocation(InvocationResult(json.dumps(answer)), report, internal)

    def _take_dead_letter(self, dead_letter: DeadLetter) -> str:
        return self._place.take_dead_letter(
            self, msgspec.structs.replace(dead_letter, body=str(dead_letter.body))
        )

    def _refresh(self) -> bool:
        self.password = self._place.password()
        return True

    def _describe_useragent(self, text: str) -> Any:
        if text == DIES_READING:
            self.process.die("poison", "reading")
        if text == NEVER_ENDS:
            self.process.struck.add("poison")
            self.process.let_pass(TIMEOUT_S)
        return describe_useragent(text)

    def _record(self, message: Received) -> Record:
        body = message.body
        if self.version.reads_newer and is_newer(body):
            body = _NewerBody(as_known(body))
            body.came_as = message.body
        if DIES_AT_ONCE in body:
            body = _DeadlyBody(body)
            body.process = self.process
        return Record(
            message_id=message.message_id,
            body=body,
            receive_count=message.receive_count,
            sent_ms=message.sent_ms,
            receipt_handle=message.receipt_handle,
            log_key=message.attributes.get(LOG_KEY, ""),
        )
