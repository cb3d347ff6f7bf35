"""Edge: one event on its way to Mixpanel, or to the reason why it did not arrive.

The function keeps no list of what Mixpanel confirmed. But it marks the Log row that a redriven message
carries as soon as its event is delivered: so a probe is sent as the redrive of a row of its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from whyness_events import encode_message, sqs_batch
from whyness_events.dead_letter import LOG_KEY, to_sqs_attributes
from whyness_events.event import Event
from whyness_events.log_entry import LogEntry, log_key
from whyness_events.outcomes import State
from whyness_ops.aws import Aws, explained
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.log_table import LogTable
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop
from whyness_ops.watch.log_lines import NOT_DELIVERED
from whyness_ops.watch.log_poller import LogPoller

# Not one of the outcomes: lists of failures leave these rows out.
PROBE_REASON = "probe"
_LOOK_EACH_S = 1.0


@dataclass(frozen=True, slots=True)
class Followed:
    """Where the event was last seen.

    Args:
        state: `delivered`, `dead`, or `waiting` where the time was up.
        reason, detail: of the outcome; of the last try where it waits, `""` where nobody tried.
        took_s: until it was delivered, dead, or given up, seconds.
    """

    state: str
    reason: str
    detail: str
    took_s: float


def may_send(stack: Stack, *, is_confirmed: bool) -> None:
    """Refuse to send to a stack that may be production, unless a person confirmed it.

    Raises:
        Refused: it may be.
    """
    if not (is_confirmed or stack.is_local or stack.environment == "dev"):
        what = f"Stack {stack.name} is" if stack.environment else "This stack may be"
        raise Refused(
            f"{what} production, and events cannot be taken back from Mixpanel. Give --yes to send them."
        )


def publish(aws: Aws, stack: Stack, body: str, attributes: dict[str, str] | None = None) -> str:
    """Send one message and return its id.

    Raises:
        SetupFault: SQS refuses, cannot be reached, or stored something else.
    """
    url = stack.need("queue_url")
    more = {"MessageAttributes": to_sqs_attributes(attributes)} if attributes else {}
    with explained(f"queue {url}"):
        answer = aws.sqs.send_message(QueueUrl=url, MessageBody=body, **more)
    if answer.get("MD5OfMessageBody") != sqs_batch.body_digest(body):
        raise SetupFault(
            f"SQS did not confirm the message that was sent to {url}. Send it again: it counts once."
        )
    return str(answer["MessageId"])


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows events of a stack.

    Args:
        within_s: how long, before it is given up.
        say: told when something new is known.
        now_s: a monotonic clock.
    """

    aws: Aws
    stack: Stack
    stop: Stop
    within_s: float
    say: Callable[[str], None] = lambda _: None
    now_s: Callable[[], float] = time.monotonic

    def follow(self, event: Event, identity: str) -> Followed:
        """Publish the event, and return where it got to.

        Raises:
            Refused: the Log table has this event already, whose end would be taken for that of the probe.
            SetupFault: AWS refuses or cannot be reached; the event may be in the queue.
        """
        log = LogTable(self.aws.dynamodb, self.stack.need("log_table"))
        now_ms = time.time_ns() // 1_000_000
        key = log_key(event.to_wire(), message_id="", position=0)
        detail = "sent to see whether events arrive"
        row = LogEntry(key, PROBE_REASON, detail, event.event, last_failed_at_ms=now_ms, state=State.REDRIVEN)
        if not log.put_new(row.to_item()):
            raise Refused(
                f"The Log table {log.name} has event {event.insert_id} of this time already. "
                "Give the probe another insert_id or time, or none."
            )
        began_s = self.now_s()
        message_id = publish(
            self.aws, self.stack, encode_message([event], identity=identity), {LOG_KEY: str(key)}
        )
        self.say(f"In the queue as message {message_id}.")
        poller = LogPoller(self.aws.logs, self.stack.log_group, now_ms) if self.stack.log_group else None
        last = ("", "")
        while (took_s := self.now_s() - began_s) < self.within_s and not self.stop.is_set():
            for item in log.get(key.pk):
                if item.get("sk") != key.sk:
                    continue
                if item.get("state") == State.DELIVERED:
                    return Followed(State.DELIVERED, "", "", took_s)
                if item.get("reason") != PROBE_REASON:
                    return Followed(State.DEAD, str(item.get("reason")), str(item.get("detail", "")), took_s)
            last = self._last_try(poller, event.insert_id, last)
            self.stop.wait(_LOOK_EACH_S)
        return Followed(State.WAITING, *last, took_s)

    def _last_try(self, poller: LogPoller | None, insert_id: str, last: tuple[str, str]) -> tuple[str, str]:
        for line in poller.poll() if poller else ():
            if line.message == NOT_DELIVERED and insert_id in (line.fields.get("insert_ids") or ()):
                last = str(line.fields.get("reason")), str(line.fields.get("detail"))
                self.say(f"Not delivered yet: {': '.join(last)}.")
        return last
