"""`manage.py mixpanel_profiles verify`: what Mixpanel shows of people, against the tables."""

import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError, OutputWrapper

from whyness_mixpanel import conf
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.people.profile import Profile
from whyness_mixpanel.people.query import ProfileQueries
from whyness_mixpanel.people.state import Sender
from whyness_mixpanel.people.update import Project
from whyness_mixpanel.people.verify import FAULTS, Verdict, Verification
from whyness_mixpanel.privacy import filters
from whyness_ops import FileFault, OpsError, Stop
from whyness_ops.audit.audit_command import credentials
from whyness_ops.audit.export_pace import Pace
from whyness_ops.errors import NotJudged
from whyness_ops.files import new_file
from whyness_ops.option_types import path
from whyness_ops.output import printable
from whyness_ops.stop import STOPPED

EXAMPLES = """The service account (role Consumer) comes from AUDIT_ACCOUNT and AUDIT_PASSWORD, else from
MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_PASSWORD.

exit codes: 0 all profiles are as they should be; 1 some are missing, different or unwanted; 2 it could not be
judged, or wrong command line; 130 stopped by a signal"""
FOUND = 1


def add_options(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--repair", action="store_true", help="have the next sync send again, or delete, what is wrong"
    )
    parser.add_argument(
        "--resume", type=path, metavar="FILE", help="keep there what was judged, and go on from it"
    )


class Verify:
    """One run.

    Args:
        project: where the profiles are.
        stdout: gets the findings.
        stderr: gets the progress.
        stop: asked for between two pages.
    """

    def __init__(self, project: Project, stdout: OutputWrapper, stderr: OutputWrapper, stop: Stop) -> None:
        self._project, self._stdout, self._stderr, self._stop = project, stdout, stderr, stop
        self._sender = Sender(uuid4().hex)

    def run(self, profiles: Sequence[Profile], *, repair: bool, resume: Path | None, **_: Any) -> None:
        """Compare, and print each fault.

        Raises:
            CommandError: not all is as it should be, or it could not be judged.
        """
        with plain_errors(returncode=NotJudged.exit_code):
            try:
                verification = self._verified(profiles, resume)
            except (OpsError, filters.CannotFilter) as error:
                code = STOPPED if self._stop.is_set() else NotJudged.exit_code
                raise CommandError(printable(str(error)), returncode=code) from error
            self._tell(verification, {one.name: one for one in profiles})
            if repair:
                self._repair(verification)
        if any(verification.counts[verdict] for verdict in FAULTS):
            raise CommandError("Not all profiles are as they should be. See above.", returncode=FOUND)

    def _verified(self, profiles: Sequence[Profile], resume: Path | None) -> Verification:
        pace = Pace(time.monotonic, self._stop.wait, self._note, "queries")
        project_id, account = str(conf.PROJECT_ID.require()), credentials(os.environ)
        queries = ProfileQueries(self._project.url, project_id, account, pace, self._stop.is_set)
        scrub = filters.scrubber().scrub
        verification = Verification(profiles, project=self._project, sender=self._sender, scrub=scrub)
        after: tuple[str, int] = ("", 0)
        if resume and resume.exists():
            after = _go_on(verification, resume)
        for answer in queries.pages(*after):
            verification.take(answer.found)
            self._note(f"{answer.number + 1} of {answer.page_count} pages")
            if resume:
                judged = {"session": answer.session, "page": answer.number, **verification.to_json()}
                with new_file(resume, force=True) as file:
                    json.dump(judged, file)
        verification.end()
        if resume:
            resume.unlink()
        return verification

    def _tell(self, verification: Verification, profiles: Mapping[str, Profile]) -> None:
        for each in verification.findings:
            names = f": {', '.join(each.names)}" if each.names else ""
            person = profiles[each.source].person(each.key)
            self._stdout.write(printable(f"{each.verdict}: {each.source} {person}{names}"))
        self._stdout.write(json.dumps(verification.counts, sort_keys=True))
        if verification.counts[Verdict.MISSING] and not verification.counts[Verdict.MATCHED]:
            self._note("No profile was found as it should be. Does mixpanel_check accept PROJECT_TOKEN?")

    def _repair(self, verification: Verification) -> None:
        if not self._sender.take():
            raise CommandError("Another process is sending profiles. Run this again later.", returncode=FOUND)
        try:
            count = verification.repair()
        finally:
            self._sender.release()
        self._note(f"The next pass sends or deletes {count}: manage.py mixpanel_profiles sync")

    def _note(self, text: str) -> None:
        self._stderr.write(text, style_func=str)


def _go_on(verification: Verification, path: Path) -> tuple[str, int]:
    """Take over what an earlier run has judged; return the session and the page where this one begins."""
    try:
        judged = json.loads(path.read_bytes())
        verification.go_on(judged)
        return str(judged["session"]), int(judged["page"]) + 1
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise FileFault(f"{path} cannot be read, or is of something else. Give another name.") from error
