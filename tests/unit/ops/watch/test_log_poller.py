"""Each log line is seen once, whatever the order and the delay in which CloudWatch Logs shows them."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from whyness_ops.watch.log_lines import INVOCATION
from whyness_ops.watch.log_poller import OVERLAP_MS, LogPoller


class FakeLogs:
    """Shows each event from a moment on; pages of two.

    Args:
        shown: events as (time_ms, visible from poll number).
    """

    def __init__(self, shown: list[tuple[int, int]]) -> None:
        self.shown = shown
        self.poll_number = 0

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        """As boto3's client."""
        first = int(request.get("nextToken", "0"))
        events = [
            {
                "eventId": str(number),
                "timestamp": time_ms,
                "message": json.dumps({"message": INVOCATION, "number": number}),
            }
            for number, (time_ms, from_poll) in enumerate(self.shown)
            if from_poll <= self.poll_number and time_ms >= request["startTime"]
        ]
        more = {"nextToken": str(first + 2)} if len(events) > first + 2 else {}
        return {"events": events[first : first + 2], **more}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, OVERLAP_MS // 1000 - 1)), max_size=12))
def test_each_line_is_returned_once(delays: list[tuple[int, int]]) -> None:
    """Where it is shown at most OVERLAP_MS later than a younger one."""
    shown = [(at * 1000, at + late) for at, late in delays]
    logs = FakeLogs(shown)
    poller = LogPoller(logs, "group", 0)
    numbers: list[int] = []

    for poll_number in range(80):  # a poll a second, of which an event is shown up to nine later
        logs.poll_number = poll_number
        numbers += [line.fields["number"] for line in poller.poll()]

    assert sorted(numbers) == list(range(len(shown)))


def test_lines_of_others_are_left_out() -> None:
    """Lambda's own lines, other JSON, and text that is no JSON."""

    class Others:
        def filter_log_events(self, **_: Any) -> dict[str, Any]:
            texts = [
                "START RequestId",
                "[]",
                '"invocation"',
                '{"message": "other"}',
                '{"type": "platform"}',
                "\0",
            ]
            return {"events": [{"eventId": t, "timestamp": 1, "message": t} for t in texts]}

    assert LogPoller(Others(), "group", 0).poll() == []
