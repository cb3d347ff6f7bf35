"""The real handler in a process of its own, as Lambda has it: all output and the peak memory can be seen.

Run as a script: reads a plan from stdin (JSON), writes what came of it to the file it is given.
"""

import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
_CODE = _ROOT / "functions" / "send_events"
_PEAK = Path("/proc/self/status")
_PROCESS_TIMEOUT_S = 100.0


@dataclass(frozen=True, slots=True)
class ProcessRun:
    """What a process left behind.

    Args:
        output: of stdout and stderr, tracebacks of what the handler raised included.
        answers: of the handler, one for each event; None where it raised.
        peak_bytes: the most memory the process held.
    """

    output: str
    answers: list[dict[str, Any] | None]
    peak_bytes: int


def run_lambda(
    events: Sequence[Mapping[str, Any]],
    environment: Mapping[str, str],
    *,
    timeout_s: float = 60.0,
    log_level: str = "INFO",
    bug: str = "",
) -> ProcessRun:
    """Hand SQS events to the handler in a new process, one after the other.

    Args:
        events: as Lambda gets them.
        environment: all variables the process has.
        timeout_s: what Lambda gives each invocation.
        log_level: of the root logger, as an operator may set it.
        bug: one of BUGS: fails with the event in the exception's text.
    """
    plan = {"timeout_s": timeout_s, "log_level": log_level, "bug": bug, "events": list(events)}
    with tempfile.TemporaryDirectory() as directory:
        result_path = Path(directory) / "result.json"
        found = subprocess.run(  # noqa: S603  (this file)
            [sys.executable, __file__, str(result_path)],
            input=json.dumps(plan),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_CODE), **environment},
            capture_output=True,
            text=True,
            timeout=_PROCESS_TIMEOUT_S,
            check=False,
        )
        output = found.stdout + found.stderr
        assert found.returncode == 0, f"the process ended with {found.returncode}:\n{output[-5_000:]}"
        return ProcessRun(output, **json.loads(result_path.read_text()))


class _Context:
    def __init__(self, number: int, timeout_s: float) -> None:
        self.aws_request_id = f"run-{number}"
        self.function_name = "send_events"
        self._end_s = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end_s - time.monotonic()) * 1000))


def _main(result_path: Path) -> None:
    plan = json.load(sys.stdin)
    logging.basicConfig(level=plan["log_level"])  # Lambda's runtime, too, puts a handler on the root logger
    import handler  # noqa: PLC0415  (what it prints at import counts, too)

    if plan["bug"]:
        _plant(plan["bug"])
    answers: list[Any] = []
    for number, event in enumerate(plan["events"]):
        context = _Context(number, plan["timeout_s"])
        try:
            answers.append(handler.handler(event, context))
        except Exception:  # noqa: BLE001  (Lambda's runtime reports whatever is raised)
            traceback.print_exc()
            answers.append(None)
        assert context.get_remaining_time_in_millis() > 0, f"invocation {number} was not over in time"
    result_path.write_text(json.dumps({"answers": answers, "peak_bytes": peak_bytes()}))


def _plant(bug: str) -> None:
    # After the handler's own imports.
    from whyness_events.delivery import deliver  # noqa: PLC0415
    from whyness_events.delivery.mixpanel.transport import client  # noqa: PLC0415
    from whyness_events.delivery.reading import reader  # noqa: PLC0415

    def fail(*arguments: object, **named: object) -> None:
        raise ValueError(repr(arguments) + repr(named))

    module, name = {
        "in the core": (deliver, "batches"),
        "in one record": (reader, "read_group"),
        "in a thread": (client, "_post"),
    }[bug]
    setattr(module, name, fail)


BUGS = ("in the core", "in one record", "in a thread")


def peak_bytes() -> int:
    """Return the peak of this program; getrusage would count the parent's pages at the time of the fork."""
    if _PEAK.exists():
        [line] = [line for line in _PEAK.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
