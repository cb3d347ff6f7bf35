"""Keep the demo's pipeline running for commands of your own, and print how to reach it."""

import shlex
import time
from pathlib import Path
from typing import NoReturn

from local.live_page import stack_variables
from local.processes import raise_if_interrupted
from local.site import Site
from local.stack import PROJECT_ID, PROJECT_TOKEN, ROOT, LocalStack

_CHECK_INTERVAL_S = 0.5
_ADMIN = "admin/whyness_mixpanel/deliveryfailure/"

_HOW = """
The pipeline stays up until Ctrl-C. In another terminal, in this directory:

  . {file}
  $WHYNESS_MIXPANEL status                # the command of operators, on this pipeline
  $WHYNESS_MIXPANEL tail                  # outcomes as they happen
  curl -s $MIXPANEL_SIMULATOR/_simulator/stats
  curl -s $SITE/                          # the example site: each activity and click sends an event

In a browser, the live page shows what happens, with buttons that break Mixpanel and fix it:

  {page_url}

The admin shows dead letters and sends them again:

  {admin_url}

  user      {login.user}
  password  {login.password}

To send events from a site of your own, follow docs/tutorial.md. To practise an outage and a redrive,
follow the drill in docs/runbook.md.
"""


def site_environment(stack: LocalStack) -> dict[str, str]:
    """Return what a Django site needs in its environment to send events through `stack`."""
    return {
        **stack.account.environment,
        "WHYNESS_MIXPANEL_QUEUE_URL": stack.resources.queue_url,
        "WHYNESS_MIXPANEL_DEAD_LETTER_QUEUE_URL": stack.resources.dead_letter_queue_url,
        "WHYNESS_MIXPANEL_LOG_TABLE_NAME": stack.resources.log_table_name,
        # For profiles, which do not pass through the queue.
        "MIXPANEL_URL": stack.simulator_url,
        "MIXPANEL_PROJECT_ID": PROJECT_ID,
        "MIXPANEL_PROJECT_TOKEN": PROJECT_TOKEN,
    }


def keep_running(stack: LocalStack, site: Site, page_url: str, env_file: Path) -> NoReturn:
    """Write `env_file`, print what it is for, wait for Ctrl-C, and remove the file."""
    login = site.add_admin()
    env_file.write_text(exports(stack, site.url))
    env_file.chmod(0o600)
    try:
        file, admin_url = env_file.relative_to(ROOT), f"{site.url}{_ADMIN}"
        print(_HOW.format(file=file, page_url=page_url, admin_url=admin_url, login=login), flush=True)
        while True:
            raise_if_interrupted()
            time.sleep(_CHECK_INTERVAL_S)
    finally:
        env_file.unlink(missing_ok=True)


def exports(stack: LocalStack, site_url: str) -> str:
    """Return a shell script of what commands and a site of one's own need to reach `stack`."""
    variables = {
        **site_environment(stack),
        **stack_variables(stack),
        "WHYNESS_MIXPANEL_ENV": "",  # of a deployed stack that the shell may still name
        "SITE": site_url,
        "WHYNESS_MIXPANEL": ".venv/bin/whyness-mixpanel",
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
