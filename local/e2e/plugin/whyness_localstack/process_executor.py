"""A runtime for functions without Docker.

Each environment of a function is one process: AWS's runtime interface emulator with the runtime client.
LocalStack calls one environment once at a time, as Lambda does; two calls at once would crash the emulator.
"""

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import requests
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

LOOPBACK = "127.0.0.1"
_START_S, _STOP_S = 10, 5
_PATIENCE_S = 905  # Lambda's longest timeout, and some
_INVOCATIONS = "/2015-03-31/functions/function/invocations"
_TIMED_OUT = b"Task timed out after"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


class ProcessExecutor(RuntimeExecutor):
    """One environment of a function."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002  (LocalStack's name)
        super().__init__(id=id, function_version=function_version)
        self._log = Path(tempfile.gettempdir()) / f"function-{id}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self, env_vars: dict[str, str]) -> None:
        """Start the process and wait until it takes calls."""
        code = str(self.function_version.config.code.get_unzipped_code_location())
        self._port, api_port = _free_port(), _free_port()
        # Without these two addresses the emulator would listen on all interfaces.
        addresses = ["--runtime-interface-emulator-address", f"{LOOPBACK}:{self._port}"]
        addresses += ["--runtime-api-address", f"{LOOPBACK}:{api_port}"]
        env = {name: str(value) for name, value in env_vars.items()}
        env |= {"PATH": "/usr/bin:/bin", "LAMBDA_TASK_ROOT": code, "LAMBDA_RUNTIME_DIR": code}
        rie = [os.environ["E2E_RIE"], "--log-level", "error", *addresses]
        python = [os.environ["E2E_PYTHON"], "-m", "awslambdaric", env["_HANDLER"]]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*rie, *python], cwd=code, env=env, stdout=log, stderr=log)
        give_up_at = time.monotonic() + _START_S
        while not self._is_listening():
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"the runtime did not start; see {self._log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the process and the runtime in it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Call the handler; a failure is told in the body, for the status is 200 then, too."""
        log_start = self._log.stat().st_size
        url = f"http://{LOOPBACK}:{self._port}{_INVOCATIONS}"
        with requests.Session() as session:
            session.trust_env = False  # no proxy
            answer = session.post(url, data=payload["payload"].encode(), timeout=_PATIENCE_S)
        body, is_error = (
            answer.content,
            answer.status_code != requests.codes.ok or _tells_error(answer.content),
        )
        if body.startswith(_TIMED_OUT):
            body = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": body.decode()}).encode()
        logs = self._log.read_bytes()[log_start:].decode(errors="replace")
        return InvocationResult(payload["invoke-id"], body, is_error=is_error, logs=logs)

    def _is_listening(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((LOOPBACK, self._port)) == 0

    def get_address(self) -> str:
        """Return where the environment is."""
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """Return where the environment finds LocalStack."""
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """Return an address that nobody calls: the emulator takes calls itself."""
        return f"http://{LOOPBACK}/{self.id}"

    def get_logs(self) -> str:
        """Return all that the environment has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code."""
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Leave the code; it goes with LocalStack's folder."""


def _tells_error(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:  # the timeout's sentence
        return True
    return isinstance(found, dict) and {"errorMessage", "errorType"} <= found.keys()


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=process."""

    name = "process"

    def load(self, *_: object, **__: object) -> type[ProcessExecutor]:
        """Return the class."""
        return ProcessExecutor
