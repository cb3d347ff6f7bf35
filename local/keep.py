"""Keep the demo's pipeline running for commands of your own, and print how to reach it."""

import shlex
import time
from pathlib import Path
from typing import NoReturn

from local.processes import raise_if_interrupted
from local.site import Site
from local.stack import ROOT, LocalStack

_CHECK_INTERVAL_S = 0.5
_ADMIN = "admin/whyness_mixpanel/deliveryfailure/"

_HOW = """
The pipeline stays up until Ctrl-C. In another terminal, in this directory:

  . {file}
  $WHYNESS_MIXPANEL status                # the command whyness-mixpanel, on this pipeline
  $WHYNESS_MIXPANEL tail                  # outcomes as they happen
  curl -s $MIXPANEL_SIMULATOR/_simulator/stats
  curl -s $SITE/                          # the example site: each activity and click sends an event

The admin, in a browser: {admin_url} shows dead letters and sends them again.

  user      {login.user}
  password  {login.password}

To practise an outage and a redrive, follow the drill in docs/runbook.md.
"""


def keep_running(stack: LocalStack, site: Site, env_file: Path) -> NoReturn:
    """Write `env_file`, print what it is for, wait for Ctrl-C, and remove the file."""
    login = site.add_admin()
    env_file.write_text(_exports(stack, site))
    env_file.chmod(0o600)
    try:
        file, admin_url = env_file.relative_to(ROOT), f"{site.url}{_ADMIN}"
        print(_HOW.format(file=file, admin_url=admin_url, login=login), flush=True)
        while True:
            raise_if_interrupted()
            time.sleep(_CHECK_INTERVAL_S)
    finally:
        env_file.unlink(missing_ok=True)


def _exports(stack: LocalStack, site: Site) -> str:
    variables = {
        **stack.account.environment,
        "QUEUE_URL": stack.resources.queue_url,
        "DEAD_LETTER_QUEUE_URL": stack.resources.dead_letter_queue_url,
        "LOG_TABLE_NAME": stack.resources.log_table_name,
        "FUNCTION_NAME": stack.config.function.name,
        "LOG_GROUP_NAME": stack.log_group,
        "MIXPANEL_SIMULATOR": stack.simulator_url,
        "SITE": site.url,
        "WHYNESS_MIXPANEL": ".venv/bin/whyness-mixpanel",
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
