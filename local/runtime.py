"""An execution environment of the function: the real handler in Lambda's runtime, under its emulator."""

import http.client
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local.invocation import Fault, InvocationResult, classify
from local.loopback import LOOPBACK, free_port
from local.processes import ChildProcess, ProcessFailed, start

_INVOCATION_PATH = "/2015-03-31/functions/function/invocations"
_START_TIMEOUT_S = 10.0
_START_TRIES = 3
# The emulator enforces the function's timeout. So long after it, an answer is no longer expected.
_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Function:
    """A function and its configuration.

    Args:
        code_dir: the directory with the handler's module, and its libraries unless `python` has them.
        python: an interpreter with `awslambdaric`.
        environment: all variables, except those that Lambda sets.
    """

    code_dir: Path
    handler: str
    timeout_s: int
    memory_mb: int
    environment: Mapping[str, str]
    python: Path = Path(sys.executable)
    name: str = "send-events"

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any], **others: Any) -> Self:
        """Read handler, timeout and memory from the `Properties` of a function in a SAM template."""
        return cls(
            handler=properties["Handler"],
            timeout_s=int(properties.get("Timeout", 3)),
            memory_mb=int(properties.get("MemorySize", 128)),
            **others,
        )


class Runtime:
    """The function in its own process. Threads may share it.

    Two calls at once crash the emulator, so a lock makes them wait for each other. The first call starts the
    process, and so does the next call after it died or did not answer.
    """

    def __init__(self, function: Function, *, rie_path: Path, log_path: Path) -> None:
        self._function = function
        self._rie_path = rie_path
        self._log_path = log_path
        self._lock = threading.Lock()
        self._process: ChildProcess | None = None
        self._port = 0

    def invoke(self, event: bytes) -> InvocationResult:
        """Call the handler with an event (JSON text) and wait for the result."""
        with self._lock:
            try:
                self._start_unless_running()
                status, body = self._post(event)
            except (OSError, http.client.HTTPException, ProcessFailed) as error:
                self._end()
                return InvocationResult(f"{type(error).__name__}: {error}", Fault.UNREACHABLE)
            return classify(status, body)

    def stop(self) -> None:
        """End the process; a running call then returns a fault."""
        process = self._process
        if process is not None:
            process.stop(grace_s=1)

    def _end(self) -> None:
        self.stop()
        self._process = None

    def _post(self, event: bytes) -> tuple[int, str]:
        patience_s = self._function.timeout_s + _PATIENCE_S
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=patience_s)
        try:
            connection.request("POST", _INVOCATION_PATH, event, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def _start_unless_running(self) -> None:
        if self._process is not None and self._process.is_running():
            return
        for tries_left in reversed(range(_START_TRIES)):
            self._end()
            try:
                self._start()
            except ProcessFailed:  # another program may have taken the port in the meantime
                if tries_left == 0:
                    raise
            else:
                return

    def _start(self) -> None:
        self._port, runtime_api_port = free_port(), free_port()
        # By default the emulator listens on all interfaces.
        addresses = ["--runtime-interface-emulator-address", f"{LOOPBACK}:{self._port}"]
        addresses += ["--runtime-api-address", f"{LOOPBACK}:{runtime_api_port}"]
        python = [str(self._function.python), "-m", "awslambdaric", self._function.handler]
        self._process = start(
            f"the Lambda runtime of {self._function.name}",
            [str(self._rie_path), "--log-level", "error", *addresses, *python],
            log_path=self._log_path,
            cwd=self._function.code_dir,
            env=self._environment(),
        )
        self._process.wait_for_port(self._port, timeout_s=_START_TIMEOUT_S)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **self._function.environment,
            "_HANDLER": self._function.handler,
            "LAMBDA_TASK_ROOT": str(self._function.code_dir),
            "AWS_LAMBDA_FUNCTION_NAME": self._function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._function.timeout_s),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self._function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        }
