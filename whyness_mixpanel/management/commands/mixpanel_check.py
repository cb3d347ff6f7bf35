"""`manage.py mixpanel_check`: is everything there that publishing needs?"""

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
  manage.py mixpanel_check          a table, and how to mend what is wrong
  manage.py mixpanel_check --json   the same, for a program

exit codes: 0 all is well; 1 something is wrong; 3 nothing is wrong, but not all could be tried.
"""
_EXIT_CODES = {State.OK: 0, State.WRONG: 1, State.NOT_TRIED: 3}


class Command(OurCommand):
    """Try the queue or Mixpanel, the credentials, the region, the clock and the titles."""

    help = "Try what publishing needs: settings, region, credentials, queue or Mixpanel. Sends no event."
    examples = _EXAMPLES
    requires_system_checks = ()  # they are part of what is shown

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --json."""
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, **options: Any) -> None:
        """Try, and show what was found."""
        findings = diagnose()
        worst = next(
            (s for s in (State.WRONG, State.NOT_TRIED) if any(f.state is s for f in findings)), State.OK
        )
        if options["json"]:
            self.stdout.write(json.dumps({"state": worst, "findings": [asdict(found) for found in findings]}))
        else:
            self._show(findings)
        if _EXIT_CODES[worst]:
            raise SystemExit(_EXIT_CODES[worst])

    def _show(self, findings: Sequence[Finding]) -> None:
        styles = {
            State.OK: self.style.SUCCESS,
            State.WRONG: self.style.ERROR,
            State.NOT_TRIED: self.style.WARNING,
        }
        for finding in findings:
            state = styles[finding.state](f"{finding.state:<18}")
            self.stdout.write(f"{finding.what:<11}  {state}  {finding.found}")
            if finding.remedy:
                self.stdout.write(f"{'':<11}  {'':<18}  -> {finding.remedy}")
