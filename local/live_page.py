"""The live page of a local stack, in a process of its own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.processes import ChildProcess, start
from local.stack import ROOT, LocalStack

_START_TIMEOUT_S = 30.0


def stack_variables(stack: LocalStack) -> Mapping[str, str]:
    """Return the variables by which whyness-mixpanel works on the stack."""
    return {
        **stack.account.environment,
        "QUEUE_URL": stack.resources.queue_url,
        "DEAD_LETTER_QUEUE_URL": stack.resources.dead_letter_queue_url,
        "LOG_TABLE_NAME": stack.resources.log_table_name,
        "FUNCTION_NAME": stack.config.function.name,
        "LOG_GROUP_NAME": stack.log_group,
        "MIXPANEL_SIMULATOR": stack.simulator_url,
    }


def start_live_page(stack: LocalStack, work_dir: Path) -> ChildProcess:
    """Start it; `live_url` returns its address."""
    command = [sys.executable, "-m", "whyness_ops", "live", "--json"]
    environment = {**os.environ, **stack_variables(stack)}
    return start("the live page", command, log_path=work_dir / "live.log", cwd=ROOT, env=environment)


def live_url(process: ChildProcess) -> str:
    """Wait until the page is there, and return its address.

    Raises:
        ProcessFailed: it did not start.
    """
    return str(process.wait_for_json_line(timeout_s=_START_TIMEOUT_S)["url"])
