"""Edge: the buttons of the demo. They play troubles on the simulator of this machine, and end them."""

import ipaddress
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from whyness_events import IDENTITIES, Event, encode_message
from whyness_events.limits import BATCH_ENTRIES
from whyness_ops.aws import Aws, explained
from whyness_ops.errors import NotFound, SetupFault
from whyness_ops.output import redriven_text
from whyness_ops.redriving import Redrive
from whyness_ops.selection import Selection
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

_TIMEOUT_S = 5.0
# Of the faults that the page adds, so that it leaves those of others alone.
_MARK = "live page: "
_EVENTS_PER_MESSAGE = 2
EVENTS_PER_S = BATCH_ENTRIES * _EVENTS_PER_MESSAGE
# One property more than any event has: each is refused by name, as Mixpanel does in strict mode.
_SETTING, _REFUSES_ALL = "max_properties", 1


class Trouble(NamedTuple):
    """A button that breaks Mixpanel: its label, what it does, and the simulator's fault."""

    label: str
    help: str
    fault: dict[str, Any]


TROUBLES = {
    "outage": Trouble("Outage", "Mixpanel answers every request with 503.", {"status": 503}),
    "throttle": Trouble(
        "Throttle", "Mixpanel answers 429 to two thirds.", {"status": 429, "probability": 0.67}
    ),
    "password": Trouble("Wrong password", "Mixpanel answers 401.", {"status": 401}),
    "slow": Trouble("Slow", "Mixpanel answers after 4 seconds.", {"delay_s": 4.0}),
    "reject": Trouble("Reject", "Mixpanel refuses every event by name.", {}),
}
_REJECT = "reject"


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
        now_s: a monotonic clock.
    """

    def __init__(
        self, url: str, aws: Aws, stack: Stack, stop: Stop, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._url, self._aws, self._stack, self._stop, self._now_s = url, aws, stack, stop, now_s
        # No proxy: the simulator is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._usual = 0
        self._is_sending = False
        self._redrives = threading.Lock()
        self.sent_count = 0

    def buttons(self) -> list[dict[str, Any]]:
        """Return the buttons as they are now.

        Raises:
            SetupFault: the simulator does not answer.
        """
        on = self._troubles()
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
            for trouble in self._troubles():
                self._end(trouble)
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
        if name in self._troubles():
            self._end(name)
            return f"{trouble.label}: ended."
        if name == _REJECT:
            self._usual = self._ask("GET", "settings")[_SETTING]
            self._ask("PATCH", "settings", {_SETTING: _REFUSES_ALL})
        else:
            self._ask("POST", "faults", {"name": _MARK + name, **trouble.fault})
        return f"{trouble.label}: {trouble.help} Press it again to end it."

    def _troubles(self) -> set[str]:
        names = {fault["name"] for fault in self._ask("GET", "faults")}
        on = {name for name in TROUBLES if _MARK + name in names}
        return on | ({_REJECT} if self._ask("GET", "settings")[_SETTING] == _REFUSES_ALL else set())

    def _end(self, name: str) -> None:
        if name == _REJECT:
            self._ask("PATCH", "settings", {_SETTING: self._usual or _DEFAULT_MOST})
        for fault in self._ask("GET", "faults"):
            if fault["name"] == _MARK + name:
                self._ask("DELETE", f"faults/{fault['id']}")

    def _redrive(self) -> str:
        if not self._redrives.acquire(blocking=False):
            return "A redrive is under way."
        try:
            report = Redrive(self._aws, self._stack, Selection(), stop=self._stop).run()
        finally:
            self._redrives.release()
        return redriven_text(report.to_json()).partition("\x01")[0].strip()

    def _ask(self, method: str, page: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/_simulator/{page}", data, method=method)  # noqa: S310  (loopback_url has checked it)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise SetupFault(
                f"The Mixpanel simulator at {self._url} does not do {method} {page}: {error}. "
                "Check that the demo is up: make demo KEEP=1."
            ) from error


_DEFAULT_MOST = 254  # Mixpanel's


def _body(now_ms: int) -> str:
    events = [
        Event(insert_id=str(uuid.uuid4()), event="Live page", user=str(1 + number), time=now_ms)
        for number in range(_EVENTS_PER_MESSAGE)
    ]
    return encode_message(events, identity=IDENTITIES[0])


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine, so that a button can break nothing of others."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http":
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
