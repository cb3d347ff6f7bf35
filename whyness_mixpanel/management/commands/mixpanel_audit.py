"""`manage.py mixpanel_audit`: compare the rows of sources with what Mixpanel exports."""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import Error

from whyness_mixpanel import conf, last_audit, sources
from whyness_mixpanel.management import audit_repair
from whyness_mixpanel.management.our_command import OurCommand
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.management.site_stack import add_stack, with_settings
from whyness_mixpanel.sources import expected
from whyness_mixpanel.sources.source import Source
from whyness_ops import OpsError, Stop
from whyness_ops.audit import audit_command
from whyness_ops.audit.audit_line import AuditLine, printer, told
from whyness_ops.audit.tracing import StackTrace, Trace, nowhere_else
from whyness_ops.errors import NotJudged
from whyness_ops.output import printable
from whyness_ops.stack_options import connect
from whyness_ops.stop import STOPPED, stopped_by_signals

if TYPE_CHECKING:
    from whyness_ops.audit.auditing import Expected

_REGION_OF = {"https://eu.mixpanel.com": "eu", "https://in.mixpanel.com": "in"}


class Command(OurCommand):
    """Audit. `whyness-mixpanel audit` does the same with a file of expected events."""

    help = (
        "Compare the events of rows with Mixpanel's raw export, and name each that is missing or different."
    )
    examples = """examples:
  manage.py mixpanel_audit --since 2026-11-01 --until 2026-11-08 --zone Europe/Berlin
  manage.py mixpanel_audit activity user-click --since 2026-11-23 --until 2026-11-24 --findings findings.jsonl
  manage.py mixpanel_audit --since yesterday --until today --line
  manage.py mixpanel_audit --since 2026-11-23 --until 2026-11-24 --repair             # what it would publish
  manage.py mixpanel_audit --since 2026-11-23 --until 2026-11-24 --repair --publish

The service account (role Consumer) comes from AUDIT_ACCOUNT and AUDIT_PASSWORD, else from
MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_PASSWORD.

The stack is asked only about missing events: whether they are in its queues or its Log.

exit codes: 0 all accounted for; 1 something is missing, different, unexpected or undecided, or could not be
published; 2 it could not be judged, or wrong command line; 130 stopped by Ctrl-C"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the sources and the options of `whyness-mixpanel audit`."""
        there = [name for name in sources.names() if sources.get(name).is_installed]
        parser.add_argument(
            "source", nargs="*", metavar="SOURCE", help=f"of {', '.join(there)} (default: all of them)"
        )
        audit_command.add_rules(parser, has_settings=True)
        audit_repair.add_repair(parser)
        audit_command.add_results(parser)
        add_stack(parser)

    def handle(self, **given: Any) -> None:
        """Audit."""
        is_own_program = getattr(self, "_called_from_command_line", False)
        stopping = stopped_by_signals() if is_own_program else nullcontext(Stop())
        with plain_errors(returncode=NotJudged.exit_code), stopping as stop:
            try:
                with told(_line(given), partial(self._tell, given)) as line:
                    code = self._audit(_with_settings(given), _chosen(given["source"]), stop, line)
            except OpsError as error:
                code = STOPPED if stop.is_set() else error.exit_code
                raise CommandError(printable(str(error)), returncode=code) from error
        if code:
            raise CommandError("Not all is accounted for. See the report.", returncode=code)

    def _audit(
        self, options: argparse.Namespace, chosen: Sequence[Source], stop: Stop, line: AuditLine
    ) -> int:
        audit_repair.check_options(options)
        account, run = audit_command.begin(options)
        self._tell_history(chosen)
        now_ms = int(time.time() * 1000)

        from whyness_mixpanel.sources.expected_ranges import write_expected  # noqa: PLC0415  (its libraries are an extra)
        from whyness_mixpanel.sources.expected_rows import Asked  # noqa: PLC0415  (as above)

        def write(directory: Path, since_ms: int, until_ms: int) -> "Expected":
            period = expected.period(since_ms, until_ms)
            asked = Asked(directory, period, conf.IDENTITY.get(), now_ms, options.derived)
            return write_expected(chosen, asked, on_trouble=self._name, is_stopped=stop.is_set)

        code: int = run.run_audit(
            options,
            write,
            account,
            stop,
            trace=_trace(options, stop),
            judged=line.judged,
            insert_ids=expected.insert_ids(chosen),
            emit=self.stdout.write,
            repair=self._repair(options, chosen, stop, run) if options.repair else None,
        )
        return code

    def _tell(self, given: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        """Store the line for `status`, and print it where it is wanted."""
        try:
            last_audit.store(fields)
        except Error as error:
            self._note(f"The result is not stored: {type(error).__name__}. Is the site migrated?")
        printer(self.stdout.write, is_wanted=given["line"])(fields)

    def _repair(
        self, options: argparse.Namespace, chosen: Sequence[Source], stop: Stop, run: ModuleType
    ) -> Any:
        publish = audit_repair.publish_rows(chosen, options, stop, self._note)
        return run.Repair(publish, is_dry=not options.publish, is_confirmed=options.yes)

    def _tell_history(self, chosen: Sequence[Source]) -> None:
        """Say which rows an older version sent."""
        if all(source.old_user is None for source in chosen):
            return
        try:
            before = sources.history_before()
        except sources.HistoryUnknown as error:
            raise NotJudged(str(error)) from error
        self._note(f"HISTORY_BEFORE: {before.isoformat() if before else None}")

    def _name(self, source: str, key: int, why: str) -> None:
        self._note(f"Row {key} of {source} {why}")

    def _note(self, text: str) -> None:
        self.stderr.write(text, style_func=str)


def _line(given: Mapping[str, Any]) -> AuditLine:
    everything = [name for name in sources.names() if sources.get(name).is_installed]
    named = [name for name in everything if name in given["source"]]
    return AuditLine(given["since"], given["until"], named or everything)


def _chosen(names: Sequence[str]) -> list[Source]:
    try:
        chosen = [sources.get(name) for name in names]
    except sources.UnknownSource as error:
        raise NotJudged(str(error)) from error
    absent = [source.name for source in chosen if not source.is_installed]
    if absent:
        raise NotJudged(f"The models of {', '.join(absent)} are not installed. Check INSTALLED_APPS.")
    everything = (sources.get(name) for name in sources.names())
    return chosen or [source for source in everything if source.is_installed]


def _trace(options: argparse.Namespace, stop: Stop) -> Callable[[int], Trace]:
    """Return what finds missing events in the site's stack; a site without a queue has none."""
    if conf.BACKEND.get() == "mixpanel" and not options.queue_url:
        return lambda _: nowhere_else
    return partial(StackTrace, partial(connect, options), stop)


def _with_settings(given: dict[str, Any]) -> argparse.Namespace:
    """Return the options; what belongs to the project and the stack comes from the site's settings."""
    of_project: dict[str, conf.Setting[Any]] = {"zone": conf.PROJECT_TIME_ZONE, "project": conf.PROJECT_ID}
    found = {name: given[name] or setting.get() for name, setting in of_project.items()}
    for name, value in found.items():
        if value is None:
            key = of_project[name].key
            raise NotJudged(f"Give --{name}, as in the project's settings in Mixpanel, or set {key}.")
    region = given["data_region"] or _REGION_OF.get(conf.MIXPANEL_URL.get(), "us")
    return with_settings({**given, **found, "data_region": region})
