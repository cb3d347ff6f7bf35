"""Keeps the demo's pipeline up for commands of one's own, and says how to reach it."""

import shlex
import time
from pathlib import Path
from typing import NoReturn

from local.live_page import stack_variables
from local.processes import raise_if_interrupted
from local.site import Site
from local.stack import ROOT, LocalStack

_LOOK_EACH_S = 0.5
_ADMIN = "admin/whyness_mixpanel/deliveryfailure/"

_HOW = """
The pipeline stays up until Ctrl-C. In another terminal, here:

  . {file}
  $WHYNESS_MIXPANEL status                # the command whyness-mixpanel, on this pipeline
  $WHYNESS_MIXPANEL tail                  # outcomes as they happen
  curl -s $MIXPANEL_SIMULATOR/_simulator/stats
  curl -s $SITE/                          # the example site: each visit is an event

In a browser: this page shows what happens, with buttons that break Mixpanel and fix it:

  {page_url}

The admin shows the failures and sends them again:

  {admin_url}

  user      {login.user}
  password  {login.password}

docs/runbook.md has a drill: break Mixpanel, put bad events right and send them again.
"""


def keep_running(stack: LocalStack, site: Site, page_url: str, env_file: Path) -> NoReturn:
    """Write `env_file`, say what can be done with it, and wait for Ctrl-C; the file goes then."""
    login = site.add_admin()
    env_file.write_text(_exports(stack, site))
    env_file.chmod(0o600)
    try:
        file, admin_url = env_file.relative_to(ROOT), f"{site.url}{_ADMIN}"
        print(_HOW.format(file=file, page_url=page_url, admin_url=admin_url, login=login), flush=True)
        while True:
            raise_if_interrupted()
            time.sleep(_LOOK_EACH_S)
    finally:
        env_file.unlink(missing_ok=True)


def _exports(stack: LocalStack, site: Site) -> str:
    variables = {
        **stack_variables(stack),
        "SITE": site.url,
        "WHYNESS_MIXPANEL": ".venv/bin/whyness-mixpanel",
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
