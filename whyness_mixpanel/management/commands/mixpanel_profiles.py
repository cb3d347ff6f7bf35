"""`manage.py mixpanel_profiles`: what Mixpanel shows of people, sent from the tables."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections
from django.db.models import Count

from whyness_mixpanel import conf
from whyness_mixpanel.diagnosis import canary
from whyness_mixpanel.diagnosis.finding import State as Check
from whyness_mixpanel.management import profiles_verify
from whyness_mixpanel.management.base_options import base_options
from whyness_mixpanel.management.our_command import OurCommand, help_options
from whyness_mixpanel.management.outbox_status import one_line
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.people import engage, profile
from whyness_mixpanel.people.changes import Reader
from whyness_mixpanel.people.delivery import Delivery, Ended
from whyness_mixpanel.people.profile import Profile
from whyness_mixpanel.people.state import Sender, State
from whyness_mixpanel.people.sync import sync
from whyness_mixpanel.people.update import Project, Refused, Renderer
from whyness_mixpanel.privacy import filters
from whyness_ops import Stop
from whyness_ops.option_types import Whole
from whyness_ops.output import printable
from whyness_ops.stop import STOPPED, stopped_by_signals

LEFT, WRONG_ARGUMENTS, SETUP = 1, 2, 3
_REASONS = 10
# A wrong set-up is corrected by a person, and the Query API takes 60 questions an hour.
_SETUP_PAUSE_S = 600


class Command(OurCommand):
    """Send profiles, and show their states."""

    help = "Send what Mixpanel shows of people from the tables that are registered, and show what was sent."
    examples = """examples:
  manage.py mixpanel_profiles sync                         send what differs: the first run sends all people
  manage.py mixpanel_profiles sync --loop 60 --recent      send every minute what has changed
  manage.py mixpanel_profiles status                       how many are sent, refused, deleted, unsure
  manage.py mixpanel_profiles verify                       compare what Mixpanel shows with the tables
  manage.py mixpanel_profiles show p:45                    what is sent of a person, without the values"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions."""
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        base = base_options()
        codes = """exit codes: 0 all is sent; 1 something is left: the output says what; 2 wrong command line;
3 Mixpanel refuses whatever is sent, nothing more was sent; 130 stopped by a signal"""
        sync = actions.add_parser("sync", help="send what differs", parents=[base], **help_options(codes))
        sync.add_argument(
            "--loop", type=Whole(1, 86_400), metavar="SECONDS", help="repeat with this pause, for ever"
        )
        sync.add_argument("--recent", action="store_true", help="read only rows that changed lately")
        sync.add_argument("--dry-run", action="store_true", help="count what would be sent, and send nothing")
        sync.add_argument(
            "--confirm-deletes",
            type=Whole(0, 1_000_000_000),
            default=0,
            metavar="N",
            help="allow N deletions of each kind",
        )
        actions.add_parser("status", help="count the states", parents=[base], **help_options(""))
        show = actions.add_parser("show", help="show a person", parents=[base], **help_options(""))
        show.add_argument("user", metavar="USER", help="as in events: 123, or p:45 for a prospect")
        show.add_argument("--values", action="store_true", help="show the values too: personal data")
        verify = "compare what Mixpanel shows with the tables"
        profiles_verify.add_options(
            actions.add_parser(
                "verify", help=verify, parents=[base], **help_options(profiles_verify.EXAMPLES)
            )
        )

    def handle(self, *, action: str, **options: Any) -> None:
        """Act."""
        with plain_errors():
            getattr(self, f"_{action}")(_installed(), **options)

    def _sync(
        self, profiles: Sequence[Profile], *, loop: float | None, dry_run: bool, **options: Any
    ) -> None:
        project = Project.from_settings() if dry_run else _project()
        options |= {"dry_run": dry_run}
        with self._stopping() as stop:
            fault = self._pass(profiles, project, stop, **options)
            while loop is not None and not stop.is_set():
                if fault:
                    self.stderr.write(str(fault))
                is_setup = fault is not None and fault.returncode == SETUP
                stop.wait(max(loop, _SETUP_PAUSE_S) if is_setup else loop)
                fault = None if stop.is_set() else self._safe_pass(profiles, project, stop, **options)
            if stop.is_set():
                raise CommandError("Stopped. The next pass goes on.", returncode=STOPPED)
            if fault:
                raise fault

    def _safe_pass(self, *arguments: Any, **options: Any) -> CommandError | None:
        """Make a pass; a database that fails is told, and asked again by the next."""
        try:
            with plain_errors():
                return self._pass(*arguments, **options)
        except CommandError as error:
            connections.close_all()
            return error

    def _pass(  # noqa: PLR0913  (the options of the action)
        self,
        profiles: Sequence[Profile],
        project: Project,
        stop: Stop,
        *,
        recent: bool,
        dry_run: bool,
        confirm_deletes: int,
        **_: Any,
    ) -> CommandError | None:
        """Make a pass, and write its counts; return what the command must end with."""
        sender = Sender(uuid4().hex)
        delivery = Delivery(
            project=project,
            sender=sender,
            post=engage.poster(project.url),
            wait=stop.wait,
            is_wanted=lambda: not stop.is_set(),
        )
        done = sync(
            profiles,
            project=project,
            sender=sender,
            delivery=None if dry_run else delivery,
            scrub=filters.scrubber().scrub,
            is_recent=recent,
            most_deletes=confirm_deletes,
            prove=partial(_prove, stop),
        )
        self.stdout.write(json.dumps(done.counts, sort_keys=True))
        for note in done.notes:
            self.stderr.write(note)
        if done.ended:
            return CommandError(str(done.ended), returncode=SETUP if done.ended.is_setup else LEFT)
        if unsure := done.counts["unsure"]:
            text = f"{unsure} people are unsure. A pass in ten minutes sends them once more."
            return CommandError(text, returncode=LEFT)
        return CommandError("Not everybody was sent. See above.", returncode=LEFT) if done.notes else None

    def _verify(self, profiles: Sequence[Profile], **options: Any) -> None:
        with self._stopping() as stop:
            profiles_verify.Verify(_project(), self.stdout, self.stderr, stop).run(profiles, **options)

    def _stopping(self) -> AbstractContextManager[Stop]:
        is_own_program = getattr(self, "_called_from_command_line", False)
        return stopped_by_signals() if is_own_program else nullcontext(Stop())

    def _status(self, profiles: Sequence[Profile], **_: Any) -> None:
        for one in profiles:
            states = Sender("").states(one.name).order_by()
            counts = dict(states.values_list("state").annotate(count=Count("pk")))
            counts["unsure"] = Sender("").unsure(one.name).count()
            told = ", ".join(f"{counts.get(name, 0)} {name}" for name in (*State.values, "unsure"))
            self.stdout.write(f"{one.name}: {told}")
            reasons = states.filter(state=State.REFUSED).values_list("reason").annotate(count=Count("pk"))
            for reason, count in reasons.order_by("-count")[:_REASONS]:
                self.stdout.write(f"  {count} refused: {one_line(reason)}")

    def _show(self, profiles: Sequence[Profile], *, user: str, values: bool, **_: Any) -> None:
        about = profile.profile_of(user)
        if about is None or about[0] not in profiles:
            text = "No profile is about such people. Give a user as in events: 123, or p:45 for a prospect."
            raise CommandError(text, returncode=WRONG_ARGUMENTS)
        shown = {"person": user, **_rendered(*about, has_values=values), **_known(*about)}
        self.stdout.write(printable(json.dumps(shown, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)))


def _rendered(one: Profile, key: int, *, has_values: bool) -> dict[str, Any]:
    project = Project.from_settings()
    renderer = Renderer(one, project, filters.scrubber().scrub)
    try:
        made = Reader(one, renderer, Sender("")).wanted([key]).get(key)
    except filters.CannotFilter as error:
        raise CommandError(str(error), returncode=LEFT) from error
    if made is None:
        return {"profile": "none: the row is gone, or nothing may be sent about the person"}
    if isinstance(made, Refused):
        return {"profile": f"refused: {made.reason}"}
    properties, unset = json.loads(made.set_json), json.loads(made.unset_json or "[]")
    shown = properties if has_values else sorted(properties)
    return {"distinct_id": project.distinct_id(made.person), "set": shown, "unset": unset}


def _known(one: Profile, key: int) -> dict[str, Any]:
    fields = ("state", "reason", "sent_at", "unsure_at")
    known = Sender("").states(one.name, key=key).values(*fields).first()
    return {f"mixpanel_{name}": known[name] or None for name in fields} if known else {"mixpanel_state": None}


def _prove(stop: Stop) -> bool:
    """Return whether a test profile was read back, False where that cannot be known."""
    [finding] = canary.profiles(stop.wait)
    if finding.state is Check.WRONG:
        raise Ended(f"Nothing was sent. {finding.found} {finding.remedy}", is_setup=True)
    return finding.state is Check.OK


def _project() -> Project:
    if not conf.ENABLED.get() or conf.BACKEND.get() in conf.LOCAL_BACKENDS:
        why = "ENABLED is False" if not conf.ENABLED.get() else f"BACKEND is {conf.BACKEND.get()}"
        raise CommandError(f"Nothing was sent: the setting {why}, so that nothing leaves this site.")
    conf.PROJECT_TOKEN.require()
    return Project.from_settings()


def _installed() -> list[Profile]:
    there = [one for one in profile.registered() if one.is_installed]
    if not there:
        raise CommandError(
            "No profile is registered. See docs/how-to/show-people.md.", returncode=WRONG_ARGUMENTS
        )
    for one in there:
        if fault := one.fault:
            raise CommandError(f"Profile {one.name}: {fault}.", returncode=WRONG_ARGUMENTS)
    return there
