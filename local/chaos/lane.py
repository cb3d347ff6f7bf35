"""The processes of one pipeline. They are started once; rows run on them one after the other."""

import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from local import inventory
from local.chaos.pace import Pace
from local.chaos.runtimes import runtimes_of
from local.control import Aws, Mixpanel
from local.mishaps import MIXPANEL_MAX_ITEMS
from local.processes import ChildProcess, raise_if_interrupted, start
from local.stack import ROOT, LocalStack

_START_TIMEOUT_S = 30.0
_CHECK_INTERVAL_S = 0.1
_LONG_POLL_S = 1.1  # a little longer than the poller's
_CONCURRENCY = 2  # the lowest that Lambda allows
_RECEIVES = 1_000
_NORMAL = {
    "max_items": MIXPANEL_MAX_ITEMS,
    "max_body_bytes": 10_000_000,
    "events_per_s": 30_000,
    "unknown_project_status": 401,
}


class Lane:
    """Emulator, fault proxy, Mixpanel simulator, and the poller with its runtimes, which see AWS through it.

    Args:
        work_dir: an existing directory for its logs.
        pace: of the run.

    Once entered it has `stack`, and `mixpanel` and `aws`, which switch faults.
    """

    stack: LocalStack
    mixpanel: Mixpanel
    aws: Aws

    def __init__(self, work_dir: Path, pace: Pace) -> None:
        self.work_dir = work_dir
        self._pace = pace
        self._running = ExitStack()
        self._poller: ChildProcess | None = None
        self._proxy_url = ""
        self._rotated: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self.stack = starting.enter_context(
                LocalStack(self.work_dir, poll=False, environment=self._pace.environment)
            )
            command = [sys.executable, "-m", "local.chaos.proxy", "--upstream", self.stack.account.endpoint]
            proxy = starting.enter_context(
                start("the fault proxy", command, log_path=self.work_dir / "proxy.log", cwd=ROOT)
            )
            self._proxy_url = str(proxy.wait_for_json_line(timeout_s=_START_TIMEOUT_S)["url"])
            self.mixpanel, self.aws = self.stack.mixpanel, Aws(self._proxy_url)
            self.set_queue()
            starting.callback(self.stop_poller)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a program uses this lane's queues, through the proxy."""
        resources = self.stack.resources
        return {
            **self.stack.account.environment,
            "AWS_ENDPOINT_URL": self._proxy_url,
            "QUEUE_URL": resources.queue_url,
            "DEAD_LETTER_QUEUE_URL": resources.dead_letter_queue_url,
            "LOG_TABLE_NAME": resources.log_table_name,
        }

    @property
    def auditor(self) -> Mapping[str, str]:
        """The variables of who reads the export, with the password of today."""
        return {**self.stack.auditor, **self._rotated}

    def run(
        self, module: str, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})
    ) -> ChildProcess:
        """Start a Python module with this lane's environment, and more of it."""
        return start(
            module,
            [sys.executable, "-m", module, *arguments],
            log_path=self.work_dir / f"{module.rpartition('.')[2]}.log",
            cwd=ROOT,
            env={**os.environ, **self.environment, **environment},
        )

    # --- the poller and its runtimes

    def start_poller(
        self, *, concurrency: int = _CONCURRENCY, timeout_s: int | None = None, **settings: str
    ) -> None:
        """Start the poller process; `timeout_s` and `settings` replace the function's own."""
        config, pace = self.stack.config, self._pace
        environment = {**config.function.environment, "AWS_ENDPOINT_URL": self._proxy_url, **settings}
        batch_size = pace.batch_size
        config = replace(
            config,
            mapping=replace(
                config.mapping,
                batch_size=batch_size,
                window_s=0 if batch_size <= 10 else 1,  # noqa: PLR2004  (larger batches need a window)
                max_concurrency=concurrency,
            ),
            function=replace(config.function, timeout_s=timeout_s or pace.timeout_s, environment=environment),
        )
        config_path = self.work_dir / "poller.json"
        config_path.write_text(config.to_json())
        self._poller = self.run("local.poller_process", "--config", str(config_path))
        self._poller.wait_for_json_line(timeout_s=_START_TIMEOUT_S)

    def stop_poller(self) -> None:
        """Stop the poller; it waits for running invocations."""
        if self._poller is not None:
            self._poller.stop(grace_s=self._pace.timeout_s + 5)
            self._poller = None

    def kill_poller(self) -> None:
        """Kill the poller; its runtimes die with it."""
        if self._poller is not None:
            os.kill(self._poller.pid, signal.SIGKILL)
            self.stop_poller()

    def runtimes(self) -> list[int]:
        """Return the process ids of the function's runtimes."""
        return runtimes_of(self._poller.pid) if self._poller is not None else []

    # --- between rows

    def reset(self) -> None:
        """End all faults, restore all settings, and delete the events of the row before."""
        self.aws.clear()
        self.mixpanel.reset()
        self.restore_mixpanel()
        self.set_queue()
        sqs, resources = self.stack.account.client("sqs"), self.stack.resources
        for queue_url in (resources.queue_url, resources.dead_letter_queue_url):
            sqs.purge_queue(QueueUrl=queue_url)

    def restore_mixpanel(self) -> None:
        """Restore the simulator's normal limits."""
        self.mixpanel.change(**_NORMAL)

    def set_queue(self, *, visibility_s: int | None = None, receives: int = _RECEIVES) -> None:
        """Set the queue's visibility timeout, by default the pace's, and its maxReceiveCount."""
        sqs, resources = self.stack.account.client("sqs"), self.stack.resources
        policy = self.stack.resources.template.properties("EventQueue")["RedrivePolicy"]
        sqs.set_queue_attributes(
            QueueUrl=resources.queue_url,
            Attributes={
                "VisibilityTimeout": str(visibility_s or self._pace.visibility_s),
                "RedrivePolicy": json.dumps({**policy, "maxReceiveCount": receives}),
            },
        )
        if visibility_s:
            time.sleep(_LONG_POLL_S)  # a running receive keeps the old timeout

    def rotate_at_mixpanel(self) -> str:
        """Change the service account's password at Mixpanel, and return it. The secret keeps the old one."""
        password = secrets.token_urlsafe()
        self.mixpanel.change(password=password)
        self._rotated = {"AUDIT_PASSWORD": password}
        return password

    def put_secret(self, password: str) -> None:
        """Write the password into the secret."""
        self.stack.account.client("secretsmanager").put_secret_value(
            SecretId=self.stack.resources.secret_arn,
            SecretString=json.dumps({"account": "local", "password": password}),
        )

    # --- after a row

    def drain(self) -> bool:
        """Wait until the queue is empty; return False if that takes too long."""
        give_up_at = time.monotonic() + self._pace.patience_s
        while inventory.queued_message_count(self.stack):
            raise_if_interrupted()
            if time.monotonic() > give_up_at:
                return False
            time.sleep(_CHECK_INTERVAL_S)
        return True
