"""`manage.py mixpanel_check`: check everything that publishing needs."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whyness_mixpanel.diagnosis.diagnose import diagnose
from whyness_mixpanel.diagnosis.finding import Finding, State
from whyness_mixpanel.management.our_command import OurCommand

_EXAMPLES = """
examples:
  manage.py mixpanel_check          a table, with the fix for each problem
  manage.py mixpanel_check --json   the same as JSON, for a program

exit codes: 0 nothing is wrong; 1 something is wrong; 3 nothing is wrong, but something was skipped.
"""
_EXIT_CODES = {State.OK: 0, State.WRONG: 1, State.SKIPPED: 3}


class Command(OurCommand):
    """Check the settings, the way to the queue or to Mixpanel, the outbox and the titles."""

    help = "Check what is needed: settings, credentials, queue or Mixpanel, profiles, outbox. Sends no event."
    examples = _EXAMPLES
    requires_system_checks = ()  # they are part of what is shown

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --json."""
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, **options: Any) -> None:
        """Check, and show the findings."""
        findings = diagnose()
        worst = next(
            (s for s in (State.WRONG, State.SKIPPED) if any(f.state is s for f in findings)), State.OK
        )
        if options["json"]:
            self.stdout.write(
                json.dumps({"state": worst, "findings": [asdict(finding) for finding in findings]})
            )
        else:
            self._show(findings)
        if _EXIT_CODES[worst]:
            raise SystemExit(_EXIT_CODES[worst])

    def _show(self, findings: Sequence[Finding]) -> None:
        styles = {
            State.OK: self.style.SUCCESS,
            State.WRONG: self.style.ERROR,
            State.SKIPPED: self.style.WARNING,
        }
        for finding in findings:
            state = styles[finding.state](f"{finding.state:<7}")
            self.stdout.write(f"{finding.what:<11}  {state}  {finding.found}")
            if finding.remedy:
                self.stdout.write(f"{'':<11}  {'':<7}  -> {finding.remedy}")
