"""Run the built function once, as Lambda does, without Docker and without an AWS account (`make invoke`)."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from infra.build import ARCHITECTURES
from infra.pythons import PythonMissing
from local import inventory
from local.emulator import EmulatorMissing
from local.event_source_mapping import ids_to_delete
from local.invocation import InvocationResult
from local.loopback import bypass_proxies
from local.processes import ProcessFailed, stop_like_ctrl_c
from local.python import built_version, runtime_python
from local.rie import RieUnavailable, get_rie
from local.runtime import Runtime
from local.stack import ROOT, SOURCE_DIR, LocalStack
from local.template import Template, TemplateError

BUILD_DIR = ROOT / ".aws-sam" / "build" / "SendEventsFunction"
SAMPLE = ROOT / "events" / "sample.json"

_EPILOG = """examples:
  .venv/bin/python -m local.invoke                               the built function on events/sample.json
  .venv/bin/python -m local.invoke events/partial-failure.json   another event
  .venv/bin/python -m local.invoke --source                      the source tree; needs no build

The queue, the Log table and the secret are emulated, and Mixpanel is simulated. The exit status is 0 if the
answer is a partial batch response that acknowledges every record, and 1 otherwise.
"""


class InvokeError(RuntimeError):
    """The function or the event is missing or unsuitable; the text says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m local.invoke",
        description="Run the built function once on an SQS event, as Lambda does, and show the result.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "event", nargs="?", type=Path, default=SAMPLE, help="JSON file (default events/sample.json)"
    )
    parser.add_argument(
        "--source",
        action="store_true",
        help="run functions/send_events with this Python instead of the build",
    )
    options = parser.parse_args(arguments)
    try:
        return _run(options.event, from_source=options.source)
    except KeyboardInterrupt:
        print("make invoke: stopped", file=sys.stderr)
        return 130
    except (
        InvokeError,
        EmulatorMissing,
        ProcessFailed,
        PythonMissing,
        RieUnavailable,
        TemplateError,
    ) as error:
        print(f"make invoke: {error}", file=sys.stderr)
        return 1


def _run(event_path: Path, *, from_source: bool) -> int:
    event, message_ids = read_event(event_path)
    code_dir, python = _source() if from_source else _build()
    with tempfile.TemporaryDirectory(prefix="whyness-invoke-") as work_dir:
        log_path = Path(work_dir) / "lambda.log"
        with LocalStack(Path(work_dir), say=_say, code_dir=code_dir, python=python, poll=False) as stack:
            _say(f"calling {stack.config.function.handler} in {code_dir} with {event_path}")
            runtime = Runtime(stack.config.function, rie_path=get_rie(), log_path=log_path)
            try:
                result = runtime.invoke(event)
            finally:
                runtime.stop()
            print(f"\nLog of the function:\n{log_path.read_text(errors='replace').rstrip()}")
            _show_what_arrived(stack)
    return _judge(message_ids, result)


def read_event(path: Path) -> tuple[bytes, list[str]]:
    """Return an SQS event's text, and the ids of its messages.

    Raises:
        InvokeError: no such file, or no SQS event in it.
    """
    try:
        text = path.read_bytes()
        return text, [record["messageId"] for record in json.loads(text)["Records"]]
    except OSError as error:
        raise InvokeError(
            f"{path} cannot be read: {error.strerror}. Name a JSON file such as events/sample.json."
        ) from error
    except (ValueError, LookupError, TypeError) as error:
        raise InvokeError(
            f"{path} is not an SQS event. It must be JSON with Records, and each record needs a messageId."
        ) from error


def _source() -> tuple[Path, Path]:
    return SOURCE_DIR, Path(sys.executable)


def _build() -> tuple[Path, Path]:
    if not (BUILD_DIR / "handler.py").exists():
        raise InvokeError(f"{BUILD_DIR} is missing. Run `make build` first, or use --source.")
    check_processor((BUILD_DIR.parent / "template.yaml").read_text(), platform.machine())
    return BUILD_DIR, runtime_python(built_version(Template.read()))


def check_processor(built_template: str, machine: str) -> None:
    """Refuse a function that was built for another processor: its imports would fail.

    Raises:
        InvokeError: it was, for example by `make deploy`.
    """
    here = ARCHITECTURES.get(machine.lower(), machine)
    built_for = yaml.safe_load(built_template)["Parameters"]["Architecture"]["Default"]
    if built_for != here:
        raise InvokeError(
            f"The function was built for {built_for}, and this machine is {here}. Run `make build`, or use "
            "--source."
        )


def _show_what_arrived(stack: LocalStack) -> None:
    events = stack.mixpanel.events()
    _list("Events at Mixpanel", [json.dumps(event, ensure_ascii=False) for event in events])
    letters = inventory.dead_letters(stack)
    _list("Dead letters", [f"{letter.reason}: {letter.told.detail}" for letter in letters])
    _list("Rows in the Log table", inventory.log_keys(stack))


def _list(what: str, lines: Sequence[str]) -> None:
    print("\n  ".join([f"\n{what}: {len(lines)}", *lines]))


def _judge(message_ids: Sequence[str], result: InvocationResult) -> int:
    print(f"\nAnswer: {result.body}")
    if result.fault is not None:
        print(f"The function failed: {result.fault}.")
        return 1
    done = ids_to_delete(message_ids, result, reports_item_failures=True)
    print(f"Acknowledged {len(done)} of {len(message_ids)} records.")
    return 0 if is_proper(result.body) and done == set(message_ids) else 1


def is_proper(body: str) -> bool:
    """Return whether an answer has a list of failures; without one Lambda takes all records as done."""
    answer = json.loads(body)
    return isinstance(answer, dict) and isinstance(answer.get("batchItemFailures"), list)


def _say(what: str) -> None:
    print(f"• {what}", flush=True)


if __name__ == "__main__":
    stop_like_ctrl_c()
    bypass_proxies()
    sys.exit(main())
