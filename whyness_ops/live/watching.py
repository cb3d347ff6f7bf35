"""Edge: asks AWS what the page shows, only while somebody looks, and each part as often as it changes.

The page asks once a second while its tab is visible. So there is no thread that would have to be ended: a
question of the page is what makes the calls that are due, once however many tabs ask.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, Final

from whyness_ops.aws import Aws
from whyness_ops.dead_letter_queue import depth
from whyness_ops.live.demo import Demo
from whyness_ops.live.part import Part
from whyness_ops.live.screen import Known, Sample, document
from whyness_ops.stack import Stack
from whyness_ops.watch.facts import METRIC_COUNT, NOT_HERE, ask_metrics
from whyness_ops.watch.flow import KEPT_S, Flow
from whyness_ops.watch.gather import Unknown
from whyness_ops.watch.log_lines import INVOCATION, Line
from whyness_ops.watch.log_poller import LogPoller

LOG_S, DEPTH_S, METRICS_S, DEMO_S = 2.0, 5.0, 60.0, 1.0
# Longer than this nobody waits for an answer; the page shows it when it has come.
_PATIENCE_S = 1.5
# After a longer pause the log is read anew: what lies between would take long, and nobody shows it.
_PAUSE_MS = 60_000
_LINES = 50
# USD, us-east-1, 2026-11: https://aws.amazon.com/cloudwatch/pricing/ and https://aws.amazon.com/sqs/pricing/
_USD_PER_METRIC, _USD_PER_SQS_REQUEST = 0.01 / 1000, 0.40 / 1_000_000


class Watch:
    """What the page knows of a stack.

    Args:
        demo: the simulator on this machine, if there is one.
        now_ms, now_s: the clocks; epoch milliseconds, monotonic seconds.

    Raises:
        SetupFault: this machine has no region, or no such profile.
    """

    def __init__(
        self,
        aws: Aws,
        stack: Stack,
        demo: Demo | None,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        # boto3 makes one client after the other only: here, not in the threads.
        for client in ("sqs", "logs") if demo else ("sqs", "logs", "cloudwatch"):
            getattr(aws, client)
        self._aws, self._stack, self.demo = aws, stack, demo
        self._now_ms, self._now_s = now_ms, now_s
        self._lock = threading.Lock()
        self._flow, self._lines = Flow(), deque[Line](maxlen=_LINES)
        self._samples = deque[Sample](maxlen=int(KEPT_S / DEPTH_S))
        self._poller: LogPoller | None = None
        self._polled_ms = 0
        self._parts: Final = {part.name: part for part in self._make_parts()}
        self._pool = ThreadPoolExecutor(len(self._parts), thread_name_prefix="live")

    def _make_parts(self) -> list[Part]:
        url = self._stack.need
        parts = [
            Part("the log", self._read_log, LOG_S),
            Part("the queue", self._read_queue, DEPTH_S),
            Part(
                "the dead-letter queue", lambda: depth(self._aws.sqs, url("dead_letter_queue_url")), DEPTH_S
            ),
        ]
        if self.demo:
            parts += [
                Part("the simulator", self.demo.buttons, DEMO_S),
                Part("traffic", self.demo.send_due, DEMO_S),
            ]
        else:
            parts.append(Part("the metrics", self._read_metrics, METRICS_S))
        return parts

    def look(self) -> dict[str, Any]:
        """Return the page's document. What is due is asked first; slow answers come with a later look."""
        with self._lock:
            now_s = self._now_s()
            asking = [part.start_if_due(self._pool, now_s) for part in self._parts.values()]
        wait([future for future in asking if future], timeout=_PATIENCE_S)
        with self._lock:
            found = {name: part.latest(self._now_s()) for name, part in self._parts.items()}
            return self._document(found)

    def _document(self, found: dict[str, Any]) -> dict[str, Any]:
        metrics = found.get("the metrics", NOT_HERE)
        log = found["the log"]
        known = Known(
            flow=log if isinstance(log, Unknown) else self._flow,
            queue=found["the queue"],
            dead_letters=found["the dead-letter queue"],
            metrics=metrics,
            samples=tuple(self._samples),
            lines=tuple(self._lines),
        )
        buttons = found.get("the simulator", NOT_HERE)
        return {
            "stack": self._stack.name
            or ("the demo on this machine" if self.demo else "stack named by its parts"),
            **document(known, self._now_ms()),
            "faults": [f"{name}: {fact.why}" for name, fact in found.items() if isinstance(fact, Unknown)],
            "buttons": None if isinstance(buttons, Unknown) else buttons,
            "cost": cost(is_here=self.demo is not None),
        }

    def press(self, name: str) -> str:
        """Press a button of the demo; return what came of it.

        Raises:
            NotFound: there is no such button, or no simulator.
            OpsError: the simulator or AWS does not do it.
        """
        if self.demo is None:
            raise Demo.no_such_button(name)
        try:
            return self.demo.press(name)
        finally:
            with self._lock:
                for part in self._parts.values():
                    part.expire()

    def _read_log(self) -> None:
        now_ms = self._now_ms()
        poller = self._poller
        if poller is None or now_ms - self._polled_ms > _PAUSE_MS:
            poller = LogPoller(self._aws.logs, self._stack.need("log_group"), now_ms - KEPT_S * 1000)
        lines = poller.poll()
        with self._lock:
            if poller is not self._poller:
                self._poller, self._flow = poller, Flow()
                self._lines.clear()
            self._polled_ms = now_ms
            self._flow.add(lines)
            self._flow.forget_before(now_ms)
            self._lines.extend(line for line in lines if line.message == INVOCATION)

    def _read_queue(self) -> Any:
        found = depth(self._aws.sqs, self._stack.need("queue_url"))
        with self._lock:
            self._samples.append(Sample(self._now_ms(), found.visible, found.hidden))
        return found

    def _read_metrics(self) -> Any:
        return ask_metrics(self._aws, self._stack, datetime.fromtimestamp(self._now_ms() / 1000, UTC))


def cost(*, is_here: bool) -> str:
    """Return what the page costs at AWS while a tab is visible."""
    if is_here:
        return "Everything here is on this machine and costs nothing. A hidden tab asks for nothing."
    metrics, requests = METRIC_COUNT * 3600 / METRICS_S, 2 * 3600 / DEPTH_S
    usd = metrics * _USD_PER_METRIC + requests * _USD_PER_SQS_REQUEST
    return (
        f"While a tab is visible this costs about ${usd:.3f} an hour at AWS: {metrics:,.0f} metrics of "
        f"GetMetricData and {requests:,.0f} requests of SQS. A hidden tab asks for nothing."
    )
