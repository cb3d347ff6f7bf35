"""LocalStack on loopback, without Docker: all services of AWS that the stack needs, in one process."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from local.loopback import LOOPBACK, NO_PROXY, free_port
from local.processes import ChildProcess, start

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-e2e/bin/python"
REGION = "us-east-1"
_START_S, _STOP_S = 60.0, 10.0


class NotInstalled(RuntimeError):
    """LocalStack is not here; the text says how to get it."""


class Emulator:
    """A running LocalStack: a context manager. Everything is in memory or `work_dir`, and gone with it.

    Args:
        work_dir: for its files and its log.
        rie: the runtime interface emulator.

    Raises:
        NotInstalled: there is no `.venv-e2e`.
        ProcessFailed: it did not start.
    """

    def __init__(self, work_dir: Path, rie: Path) -> None:
        if not PYTHON.exists():
            raise NotInstalled("There is no .venv-e2e. `make e2e` installs LocalStack into it (500 MB).")
        self._work_dir = work_dir
        self._rie = rie
        self._port = free_port()
        self._process: ChildProcess

    @property
    def client_environment(self) -> dict[str, str]:
        """The variables by which each tool uses this emulator and nothing else."""
        return client_environment(self._port)

    def __enter__(self) -> Self:
        self._process = start(
            "LocalStack",
            [str(PYTHON), "-m", "localstack.runtime.main"],
            log_path=self._work_dir / "localstack.log",
            env=server_environment(self._port, self._work_dir, self._rie),
        )
        try:
            self._process.wait_for_port(self._port, timeout_s=_START_S)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop(grace_s=_STOP_S)


def server_environment(port: int, work_dir: Path, rie: Path) -> dict[str, str]:
    """Return the whole environment of the server."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(work_dir),
        "TMPDIR": str(work_dir),
        "FILESYSTEM_ROOT": str(work_dir / "localstack"),
        # The default server would listen on all interfaces, whatever the address says.
        "GATEWAY_SERVER": "hypercorn",
        "GATEWAY_LISTEN": f"{LOOPBACK}:{port}",
        "LOCALSTACK_HOST": f"{LOOPBACK}:{port}",
        # No traffic off this machine: no usage reports, no downloads, no name server, no Docker engine.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "OVERRIDE_IN_DOCKER": "0",
        "DOCKER_HOST": f"unix://{work_dir}/no-docker.sock",
        "SQS_ENDPOINT_STRATEGY": "path",
        # Of local/e2e/plugin.
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROVIDER_OVERRIDE_DYNAMODB": "whyness",
        "E2E_RIE": str(rie),
        "E2E_PYTHON": str(PYTHON),
        **NO_PROXY,
    }


def client_environment(port: int) -> dict[str, str]:
    """Return what makes boto3 and sam use the emulator on this port, and no account of a person."""
    return {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        **NO_PROXY,
    }


def use_only(variables: dict[str, str]) -> None:
    """Take all other settings of AWS out of this process and its children: no real account is reached."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO_"))]:
        del os.environ[name]
    os.environ.update(variables)
