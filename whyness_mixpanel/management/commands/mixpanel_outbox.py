"""`manage.py mixpanel_outbox`: publish what waits, see what waits, release what is parked."""

import json
import signal
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from whyness_mixpanel import conf, parked
from whyness_mixpanel.management.base_options import base_options
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.drain import Drained, drain
from whyness_mixpanel.publishing.worker import Worker
from whyness_mixpanel.views import MOST_COUNTED, figures

_EXAMPLES = """examples:
  manage.py mixpanel_outbox status
  manage.py mixpanel_outbox status --json
  manage.py mixpanel_outbox drain                       publish all that waits, then end (for cron)
  manage.py mixpanel_outbox drain --loop --interval 5   go on until SIGTERM (for systemd)
  manage.py mixpanel_outbox drain --dry-run             say what would be published
  manage.py mixpanel_outbox release --all               release every parked event that keeps the rules now
  manage.py mixpanel_outbox release 17 18

exit codes: 0 done; 1 something is left that could not be published or released; 2 wrong arguments"""


# Between two looks of a loop, where rows are about to be due.
MOST_OFTEN_S = 0.2


class Command(BaseCommand):
    """Publish, show and release the events in the outbox."""

    help = "Publish the events that wait in the outbox, show them, or release those that are parked."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Add the examples to --help."""
        kwargs |= {"epilog": _EXAMPLES, "formatter_class": RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add drain, status and release."""
        actions = parser.add_subparsers(dest="action", required=False)
        kept: dict[str, Any] = {
            "epilog": _EXAMPLES,
            "formatter_class": RawDescriptionHelpFormatter,
            "parents": [base_options()],
        }
        drains = actions.add_parser("drain", help="publish what waits, oldest first", **kept)
        drains.add_argument("--loop", action="store_true", help="go on until SIGTERM or Ctrl-C")
        drains.add_argument(
            "--interval", type=_positive, default=5, help="seconds between rounds of --loop (default: 5)"
        )
        drains.add_argument(
            "--batch", type=_positive, default=500, help="events claimed at a time (default: 500)"
        )
        drains.add_argument("--limit", type=_positive, help="events in all, per database (default: no limit)")
        drains.add_argument("--dry-run", action="store_true", help="claim and publish nothing")
        status = actions.add_parser("status", help="show what waits", **kept)
        status.add_argument("--json", action="store_true", dest="as_json", help="as one line of JSON")
        releases = actions.add_parser("release", help="let the drain have parked events", **kept)
        releases.add_argument("ids", nargs="*", type=int, help="ids of rows")
        releases.add_argument("--all", action="store_true", help="every parked row")
        for action in (drains, status, releases):
            action.add_argument("--database", help="alias (default: each that has an outbox)")

    def handle(self, *, action: str | None, database: str | None = None, **options: Any) -> None:
        """Do `action`; without one, show what waits."""
        aliases = outbox.aliases()
        if database is not None:
            if database not in aliases:
                raise CommandError(
                    f"{database} has no outbox. Those that have: {', '.join(aliases) or 'none'}."
                )
            aliases = [database]
        if not aliases:
            raise CommandError("No database has an outbox: run 'manage.py migrate whyness_mixpanel'.")
        try:
            actions: dict[str, Callable[..., None]] = {
                "drain": self._drain,
                "status": self._status,
                "release": self._release,
            }
            actions[action or "status"](aliases, **options)
        except conf.SettingError as error:
            raise CommandError(str(error)) from error

    def _status(self, aliases: list[str], *, as_json: bool = False, **_: Any) -> None:
        found = {alias: figures(alias) for alias in aliases}
        if as_json:
            self.stdout.write(json.dumps(found))
            return
        for alias, numbers in found.items():
            age_s = numbers["oldest_pending_s"]
            since = "" if age_s is None else f", the oldest for {age_s} s"
            self.stdout.write(f"{alias}: {numbers['pending']} pending{since}; {numbers['parked']} parked")
            reasons = Counter(outbox.parked(alias).values_list("reason", flat=True)[:MOST_COUNTED])
            for reason, count in reasons.most_common(10):
                self.stdout.write(f"  {count} parked: {reason}")

    def _release(self, aliases: list[str], *, ids: list[int], **options: Any) -> None:
        if bool(ids) == options["all"]:
            raise CommandError("Name rows by their ids, or all of them with --all.", returncode=2)
        released = kept = 0
        for alias in aliases:
            rows = outbox.parked(alias)
            for row in (rows if options["all"] else rows.filter(pk__in=ids)).order_by("id").iterator():
                if parked.release(row, alias):
                    released += 1
                else:
                    kept += 1
        self.stdout.write(f"released {released}, still parked {kept}")
        if kept or (ids and released + kept < len(ids)):
            raise CommandError("Not every row was released: 'status' shows why.")

    def _drain(self, aliases: list[str], *, loop: bool, dry_run: bool, **options: Any) -> None:
        if dry_run:
            for alias in aliases:
                self.stdout.write(f"{alias}: {outbox.pending(alias).count()} events would be published")
            return
        if not conf.ENABLED.get():
            raise CommandError("ENABLED is False: nothing is published.")
        if conf.BACKEND.get() == "sqs" and not conf.QUEUE_URL.get():
            raise CommandError(f"There is no queue: set QUEUE_URL in {conf.DICT_NAME}.")
        stop = threading.Event()
        # In another program, such as a worker of Celery, signals are that program's.
        is_own_program = getattr(self, "_called_from_command_line", False)
        with _stopped_by_signals(stop) if is_own_program else nullcontext():
            if loop:
                self._drain_for_ever(aliases, stop, **options)
                return
            done = self._drain_once(aliases, stop, **options)
        if options["verbosity"]:
            left = sum(outbox.pending(alias).count() for alias in aliases)
            self.stdout.write(f"published {done.published}, left {left}")
        if done.refused:
            raise CommandError(
                f"{done.refused} events were not taken ({done.fault}). They stay in the outbox."
            )

    def _drain_for_ever(
        self, aliases: list[str], stop: threading.Event, *, interval: int, batch: int, **_: Any
    ) -> None:
        worker = Worker(is_wanted=lambda: not stop.is_set(), claim_rows=batch)
        while not stop.is_set():
            for alias in aliases:
                worker.look_for_more(alias)
            worker.work()
            stop.wait(max(MOST_OFTEN_S, min(interval, worker.next_due_s() - time.monotonic())))

    def _drain_once(
        self,
        aliases: list[str],
        stop: threading.Event,
        *,
        batch: int,
        limit: int | None,
        verbosity: int,
        **_: Any,
    ) -> Drained:
        total = Drained()
        for alias in aliases:
            tell = self._progress(alias) if verbosity else lambda _: None
            done = drain(
                alias, claim_rows=batch, limit=limit, is_wanted=lambda: not stop.is_set(), progress=tell
            )
            total.published += done.published
            total.refused += done.refused
            total.fault = total.fault or done.fault
        return total

    def _progress(self, alias: str) -> Callable[[Drained], None]:
        waiting, begun_s, last_s = outbox.pending(alias).count(), time.monotonic(), 0.0

        def tell(done: Drained) -> None:
            nonlocal last_s
            now_s = time.monotonic()
            if now_s - last_s < 1:
                return
            last_s = now_s
            rate = done.published / max(now_s - begun_s, 0.001)
            left_s = round(max(0, waiting - done.published) / rate) if rate else "?"
            self.stdout.write(
                f"{alias}: {done.published} of {waiting} published, {rate:.0f}/s, {left_s} s to go"
            )

        return tell


class _stopped_by_signals:  # noqa: N801  (a context manager)
    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, lambda *_: self._stop.set())

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError("allowed is a whole number from 1 on")
    return int(text)
