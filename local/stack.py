"""The whole pipeline behind the Django app, on this machine, as the template describes it."""

import json
import logging
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from local.control import Mixpanel
from local.emulator import Account, Emulator
from local.event_source_mapping import EventSourceMapping
from local.function_logs import LogShipper
from local.poller import Poller
from local.poller_process import PollerConfig, polling
from local.processes import ChildProcess, start
from local.resources import Resources, create_resources
from local.rie import get_rie
from local.runtime import Function
from local.template import Template, TemplateError

ROOT = Path(__file__).parents[1]
SOURCE_DIR = ROOT / "functions" / "send_events"
PROJECT_ID = "1"  # of the simulator; not the production project
PROJECT_TOKEN = "local"  # noqa: S105  (of the simulator)
_START_TIMEOUT_S = 30.0

_logger = logging.getLogger(__name__)


class LocalStack:
    """Emulated AWS, the Mixpanel simulator, the real function and a poller between them.

    Args:
        work_dir: an existing directory for logs and small files.
        say: called with each step, as text.
        code_dir, python: the function's code, and an interpreter that can run it.
        poll: whether a poller runs in this process; without one, nothing reads the queue.
        window_s: the batching window; None means the template's.
        environment: settings of the function, which replace those in the template.

    Once entered it has `account` (credentials and endpoint), `resources` (queues, table), `simulator_url`,
    `mixpanel` (the simulator's control pages), `auditor` (the environment of who reads the export), `config`
    (what a poller needs) and, with `poll`, `poller`.
    """

    account: Account
    resources: Resources
    simulator_url: str
    mixpanel: Mixpanel
    auditor: Mapping[str, str]
    config: PollerConfig
    poller: Poller

    def __init__(  # noqa: PLR0913  (keywords, each with a default)
        self,
        work_dir: Path,
        *,
        say: Callable[[str], None] = _logger.info,
        code_dir: Path = SOURCE_DIR,
        python: Path = Path(sys.executable),
        poll: bool = True,
        window_s: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._work_dir = work_dir
        self._say = say
        self._code_dir = code_dir
        self._python = python
        self._poll = poll
        self._window_s = window_s
        self._environment = environment or {}
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start(starting)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)

    @property
    def log_group(self) -> str:
        """The log group of the function, in the emulator."""
        return f"/aws/lambda/{self.config.function.name}"

    def _start(self, starting: ExitStack) -> None:
        get_rie(say=self._say)
        template = Template.read(MixpanelProjectId=PROJECT_ID)
        credentials = {"account": "local", "password": secrets.token_urlsafe()}
        self.auditor = {f"AUDIT_{name.upper()}": value for name, value in credentials.items()}
        self._say("starting SQS, DynamoDB and Secrets Manager (ministack)")
        self.account = starting.enter_context(Emulator(self._work_dir)).new_account()
        self._say("creating the queues, the Log table and the secret as in infra/template.yaml")
        self.resources = create_resources(self.account, template, secret=credentials)
        self._say("starting the Mixpanel simulator")
        simulator = starting.enter_context(self._start_simulator(credentials))
        self.simulator_url = str(simulator.wait_for_json_line(timeout_s=_START_TIMEOUT_S)["url"])
        self.mixpanel = Mixpanel(self.simulator_url)
        self.config = self._configure()
        if self._poll:
            self._say("starting the poller and the function in Lambda's runtime emulator")
            self.poller = starting.enter_context(polling(self.config, self.account.client("sqs")))
            shipper = LogShipper(self.account.client("logs"), self.log_group, self._work_dir)
            starting.enter_context(shipper)

    def _start_simulator(self, credentials: Mapping[str, str]) -> ChildProcess:
        password_file = self._work_dir / "mixpanel-password"
        password_file.write_text(credentials["password"])
        project = f"{PROJECT_ID}:us:{PROJECT_TOKEN}"
        command = [sys.executable, "-m", "local.mixpanel_simulator", "--port", "0", "--project", project]
        command += ["--account", credentials["account"], "--password-file", str(password_file)]
        return start("the Mixpanel simulator", command, log_path=self._work_dir / "mixpanel.log", cwd=ROOT)

    def _configure(self) -> PollerConfig:
        properties = self.resources.template.properties("SendEventsFunction")
        [event] = properties["Events"].values()
        mapping = EventSourceMapping.from_properties(event["Properties"])
        if self._window_s is not None:
            mapping = replace(mapping, window_s=self._window_s)
        variables = {
            **_texts(properties["Environment"]["Variables"]),
            **self.account.environment,
            "MIXPANEL_API_URL": self.simulator_url,
            **self._environment,
        }
        function = Function.from_properties(
            properties, code_dir=self._code_dir, environment=variables, python=self._python
        )
        return PollerConfig(self.resources.queue_url, mapping, function, self._work_dir)


def _texts(variables: Mapping[str, object]) -> dict[str, str]:
    for name, value in variables.items():
        if isinstance(value, dict):
            raise TemplateError(
                f"The template sets {name} to {json.dumps(value)}, which has no local value. "
                "Add one in local/stack.py."
            )
    return {name: str(value) for name, value in variables.items()}
