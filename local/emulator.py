"""SQS, DynamoDB and Secrets Manager over their real wire protocol, in one process on loopback (ministack)."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, overload

import boto3
from botocore.config import Config

from local.loopback import LOOPBACK, NO_PROXY, free_port
from local.processes import ChildProcess, ProcessFailed, start

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

MINISTACK = Path(__file__).parents[1] / ".venv-emulator" / "bin" / "ministack"
REGION = "us-east-1"
_SERVICES = "sqs,dynamodb,secretsmanager,sts,logs"
_START_TIMEOUT_S = 30.0
_START_TRIES = 3


class EmulatorMissing(RuntimeError):
    """The emulator is not installed; the text says how to install it."""


@dataclass(frozen=True, slots=True)
class Account:
    """An isolated AWS account in the emulator, which takes a 12-digit access key for the account's number."""

    endpoint: str
    access_key: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which any AWS SDK uses this account and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **NO_PROXY,
        }

    @overload
    def client(self, service: Literal["sqs"]) -> "SQSClient": ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["logs"]) -> "CloudWatchLogsClient": ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
    def client(self, service: str) -> object:
        """Return a boto3 client; threads may share it."""
        session = boto3.Session(self.access_key, "local", region_name=REGION)
        config = Config(max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 3})
        return session.client(service, endpoint_url=self.endpoint, config=config)


class Emulator:
    """The running emulator: a context manager. It keeps everything in memory.

    Raises:
        EmulatorMissing: it is not installed.
        ProcessFailed: it did not start.
    """

    def __init__(self, log_dir: Path) -> None:
        if not MINISTACK.exists():
            raise EmulatorMissing(
                f"The AWS emulator {MINISTACK} is missing. Run `make demo` once, or:\n"
                "  python3 -m venv .venv-emulator && "
                ".venv-emulator/bin/pip install -r requirements/emulator.txt"
            )
        self._log_dir = log_dir
        self._process: ChildProcess | None = None
        self.endpoint = ""

    def __enter__(self) -> Self:
        for tries_left in reversed(range(_START_TRIES)):
            try:
                self._start(free_port())
            except ProcessFailed:  # another program may have taken the port in the meantime
                self._stop()
                if tries_left == 0:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def new_account(self) -> Account:
        """Return a new, empty account."""
        return Account(self.endpoint, str(secrets.randbelow(9 * 10**11) + 10**11))

    def _start(self, port: int) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "BIND_HOST": LOOPBACK,  # by default it listens on all interfaces
            "MINISTACK_HOST": LOOPBACK,  # the host in the queue URLs
            "GATEWAY_PORT": str(port),
            "SERVICES": _SERVICES,
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self._log_dir),
            # Only the services: no other listeners, no access to Docker.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self._log_dir}/no-docker.sock",
        }
        log_path = self._log_dir / "emulator.log"
        self._process = start("the AWS emulator", [str(MINISTACK)], log_path=log_path, env=environment)
        self._process.wait_for_port(port, timeout_s=_START_TIMEOUT_S)
        self.endpoint = f"http://{LOOPBACK}:{port}"

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop()
