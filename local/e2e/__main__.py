"""Deploy to LocalStack, do all that an operator does, and say what was seen (`make e2e`)."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.build import BuildError
from infra.change_set import ChangeError
from infra.console import Refused
from infra.pythons import PythonMissing
from infra.releases import ReleaseError
from infra.samconfig import Environment
from local.e2e import deploying, operating
from local.e2e.lacks import report
from local.e2e.localstack import Emulator, NotInstalled, use_only
from local.e2e.stack import CommandFailed, Stack
from local.e2e.steps import Steps
from local.loopback import bypass_proxies
from local.mixpanel_simulator import MixpanelSimulator
from local.processes import ProcessFailed, stop_like_ctrl_c
from local.rie import RieUnavailable, get_rie

_ACCOUNT = "e2e"
_NOT_SEEN, _NOT_HERE, _STOPPED = 1, 2, 130
# By which a step can end before it has looked: the code of `make deploy` and the others says why in them.
_STEP_ERRORS = (
    BotoCoreError,
    BuildError,
    ChangeError,
    ClientError,
    CommandFailed,
    PythonMissing,
    Refused,
    ReleaseError,
    subprocess.SubprocessError,
)


def main() -> int:
    """Run all of it; 0 only where all was seen, 2 where it cannot be run here."""
    work_dir = Path(tempfile.mkdtemp(prefix="whyness-e2e-"))
    steps = Steps()
    try:
        _run(steps, work_dir)
    except (NotInstalled, ProcessFailed, RieUnavailable) as error:
        print(f"make e2e: {error}", file=sys.stderr)
        return _NOT_HERE
    except _STEP_ERRORS as error:
        steps.see("it goes on to the end", is_so=False, found=f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        print("make e2e: stopped", file=sys.stderr)
        shutil.rmtree(work_dir, ignore_errors=True)
        return _STOPPED
    for what in steps.failed:
        print(f"NOT SEEN: {what}")
    print(f"{steps.seen_count} things seen, {len(steps.failed)} not.", flush=True)
    if steps.failed:
        print(f"The logs of all parts are in {work_dir}")
        return _NOT_SEEN
    shutil.rmtree(work_dir, ignore_errors=True)
    return 0


def _run(steps: Steps, work_dir: Path) -> None:
    password = secrets.token_urlsafe()
    steps.begin("starting LocalStack and the Mixpanel simulator")
    with (
        Emulator(work_dir, get_rie()) as emulator,
        MixpanelSimulator(project_id=deploying.PROJECT_ID, account=_ACCOUNT, password=password) as mixpanel,
    ):
        use_only(emulator.client_environment)
        wanted = deploying.environment(mixpanel.url)
        stack = Stack(wanted.stack, mixpanel, work_dir)
        _prove(steps, stack, wanted, json.dumps({"account": _ACCOUNT, "password": password}))
        steps.begin("what the emulator lacks, each tried just now")
        print("\n".join(report()), flush=True)
        steps.begin("stopping everything")


def _prove(steps: Steps, stack: Stack, wanted: Environment, secret: str) -> None:
    first = deploying.first_deployment(steps, stack, wanted)
    operating.fill_secret(steps, stack, secret)
    operating.send_good_and_bad(steps, stack)
    operating.look(steps, stack, first)
    operating.ring(steps, stack)
    operating.redrive(steps, stack)
    operating.probe(steps, stack)
    operating.pause(steps, stack)
    deploying.refused_to_destroy(steps, stack, "the queue", "the dead-letter queue", "the Log table")
    operating.resume(steps, stack)
    code_hash = deploying.next_deployment(steps, stack, wanted)
    deploying.go_back(steps, stack, first, code_hash)
    operating.probe(steps, stack)
    deploying.empty(steps, stack)
    deploying.end(steps, stack)


if __name__ == "__main__":
    stop_like_ctrl_c()
    bypass_proxies()
    sys.exit(main())
