"""Edge: the buttons of the demo: troubles of Mixpanel and their end, events, a redrive."""

import threading
import time
import uuid
from typing import Any, NamedTuple

from whyness_events import IDENTITIES, Event, encode_message
from whyness_events.limits import BATCH_ENTRIES
from whyness_ops.aws import Aws, explained
from whyness_ops.errors import NotFound
from whyness_ops.live.simulator import TROUBLES, MixpanelControl
from whyness_ops.output import redriven_text
from whyness_ops.redriving import Redrive
from whyness_ops.selection import Selection
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

_EVENTS_PER_MESSAGE = 2
EVENTS_PER_S = BATCH_ENTRIES * _EVENTS_PER_MESSAGE


class Button(NamedTuple):
    """A button: `is_on` of one that is pressed again to undo it; None of one that does something once."""

    name: str
    label: str
    help: str
    is_on: bool | None
    group: str


class Demo:
    """The simulator at `url`, and the stack that sends to it.

    Args:
        stop: ends a redrive.
    """

    def __init__(self, url: str, aws: Aws, stack: Stack, stop: Stop) -> None:
        self._mixpanel = MixpanelControl(url)
        self._aws, self._stack, self._stop = aws, stack, stop
        self._is_sending = False
        self._redrives = threading.Lock()
        self.sent_count = 0

    def buttons(self) -> list[dict[str, Any]]:
        """Return the buttons as they are now.

        Raises:
            SetupFault: the simulator does not answer.
        """
        on = self._mixpanel.troubles()
        found = [Button(n, t.label, t.help, n in on, "break") for n, t in TROUBLES.items()]
        found += [
            Button("fix", "Fix Mixpanel", "Ends all of these.", None, "fix"),
            Button("send", "Send events", f"{EVENTS_PER_S} a second, while on.", self._is_sending, "use"),
            Button(
                "redrive",
                "Redrive",
                "Sends the dead letters again; what still fails comes back.",
                None,
                "use",
            ),
        ]
        return [button._asdict() for button in found]

    def press(self, name: str) -> str:
        """Press a button; return what came of it in a sentence.

        Raises:
            NotFound: there is no such button.
            OpsError: the simulator or AWS does not do it.
        """
        if name in TROUBLES:
            return self._toggle(name)
        if name == "fix":
            for trouble in self._mixpanel.troubles():
                self._mixpanel.end(trouble)
            return "Mixpanel is well again. What waits is tried again within a minute or two."
        if name == "send":
            self._is_sending = not self._is_sending
            return f"{EVENTS_PER_S} events a second." if self._is_sending else "No more events are sent."
        if name == "redrive":
            return self._redrive()
        raise self.no_such_button(name)

    @staticmethod
    def no_such_button(name: str) -> NotFound:
        """Return the fault of a button that is not here."""
        return NotFound(
            f"Button {name[:40]!r} does not exist here. Buttons are in the demo only (make demo KEEP=1)."
        )

    def send_due(self) -> None:
        """Send the events of a second, if they are wanted.

        Raises:
            SetupFault: SQS refuses or cannot be reached; the next second tries anew.
        """
        if not self._is_sending:
            return
        url, now_ms = self._stack.need("queue_url"), time.time_ns() // 1_000_000
        entries = [{"Id": str(number), "MessageBody": _body(now_ms)} for number in range(BATCH_ENTRIES)]
        with explained(f"queue {url}"):
            answer = self._aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        self.sent_count += _EVENTS_PER_MESSAGE * len(answer.get("Successful", ()))

    def _toggle(self, name: str) -> str:
        trouble = TROUBLES[name]
        if name in self._mixpanel.troubles():
            self._mixpanel.end(name)
            return f"{trouble.label}: ended."
        self._mixpanel.begin(name)
        return f"{trouble.label}: {trouble.help} Press it again to end it."

    def _redrive(self) -> str:
        if not self._redrives.acquire(blocking=False):
            return "A redrive is under way."
        try:
            report = Redrive(self._aws, self._stack, Selection(), stop=self._stop).run()
        finally:
            self._redrives.release()
        return redriven_text(report.to_json()).partition("\x01")[0].strip()


def _body(now_ms: int) -> str:
    events = [
        Event(insert_id=str(uuid.uuid4()), event="Live page", user=str(1 + number), time=now_ms)
        for number in range(_EVENTS_PER_MESSAGE)
    ]
    return encode_message(events, identity=IDENTITIES[0])
