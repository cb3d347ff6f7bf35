"""Reasons and states are one list: who adds one there finds it everywhere, or is told where it is missing."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from whyness_events.dead_letter import DROPPED_IN_ORDER, LOG_KEY, MAY_COUNT, SOURCE_MESSAGE_ID
from whyness_events.outcomes import (
    AUDIT,
    CRASHED,
    DEAD_REASONS,
    UNKNOWN,
    WAITING_REASONS,
    AuditState,
    Reason,
    State,
)

ROOT = Path(__file__).parents[3]
DELIVERY = ROOT / "functions" / "send_events" / "whyness_events"
SHIPPED = [DELIVERY, ROOT / "whyness_ops", ROOT / "whyness_mixpanel"]
# Runs with one reason more, and tells which lists have it.
WITH_ONE_MORE = """
import json, sys, types
path, name, fate = sys.argv[1:]
import whyness_events
source = open(path).read()
known = '    SETUP = "setup", Fate.WAITING\\n'
assert known in source
module = types.ModuleType("whyness_events.outcomes")
sys.modules[module.__name__] = module
exec(source.replace(known, f'{known}    NEWEST = "{name}", Fate.{fate}\\n'), module.__dict__)
import django
django.setup()
from whyness_events.dead_letter import DeadLetterAttributes
from whyness_mixpanel.admin.log_filters import LogFilters
from whyness_ops.options import make_parser
from whyness_ops.log_table import LogTable
from datetime import date

def parses(*arguments):
    try:
        make_parser().parse_args(arguments)
    except SystemExit:
        return False
    return True

class Asking(LogTable):
    def _query_index(self, key):
        asked.add(key.split("#")[1])
        return []

asked = set()
Asking(None, "Log").rows([date(2026, 11, 23)])
question = LogFilters.read({"reason": name}, today=date(2026, 11, 23))
print(json.dumps({
    "redrive": parses("redrive", "--reason", name),
    "log list": parses("log", "list", "--reason", name),
    "log stats": parses("log", "stats", "--reason", name),
    "admin": question.reason == name and not question.wrong,
    "admin, all": name in LogFilters.read({}, today=date(2026, 11, 23)).reasons,
    "rows": name in asked,
    "may count": DeadLetterAttributes.decode({"reason": name, "may_count": "false"}).may_count,
}))
"""


@pytest.mark.parametrize("fate", ["DEAD_UNCOUNTED", "DEAD_UNSURE", "WAITING"])
def test_a_reason_that_is_added_is_in_every_list(fate: str) -> None:
    """Added at its one place, the tools list it, the admin filters by it, and it has its meaning."""
    command = [sys.executable, "-c", WITH_ONE_MORE, str(DELIVERY / "outcomes.py"), "newest", fate]
    paths = f"{ROOT}:{ROOT / 'functions' / 'send_events'}"
    env = {"PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "tests.django_settings"}

    run = subprocess.run(  # noqa: S603  (our own)
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    is_uncounted = fate == "DEAD_UNCOUNTED"
    assert json.loads(run.stdout) == {
        "redrive": fate != "WAITING",
        **dict.fromkeys(["log list", "log stats", "admin", "admin, all", "rows"], True),
        "may count": not is_uncounted,
    }


def test_each_outcome_is_given_by_the_function() -> None:
    """An outcome that no module of the delivery names is one that no event can have."""
    sources = "".join(path.read_text() for path in (DELIVERY / "delivery").rglob("*.py"))
    given = set(re.findall(r"\bReason\.([A-Z_]+)", sources)) | {"DELIVERED"}  # by the constant of that name

    assert {reason.name for reason in Reason} - given == set()


def _table(page: str, heading: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text().partition(heading)[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_docs_have_each_reason() -> None:
    """The tables of outcomes and reasons, in the list's order; what tools add stands below."""
    assert _table("reference/outcomes.md", "## Outcomes\n") == list(Reason)
    assert _table("runbook.md", "## Reasons\n") == [r for r in Reason if r is not Reason.DELIVERED]
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert f"Also seen: `{CRASHED}`" in runbook
    assert f"`{UNKNOWN}`" in runbook


def test_docs_have_each_attribute_of_a_dead_letter() -> None:
    """By the name that it has in the queue."""
    assert sorted(_table("reference/outcomes.md", "## Dead letters\n")) == sorted(DROPPED_IN_ORDER)


def test_docs_have_each_state() -> None:
    """Of a row about events, and of one about a redrive."""
    command_line = (ROOT / "docs" / "reference/command-line.md").read_text()

    assert set(_table("reference/outcomes.md", "## Rows of the Log\n")) == set(State)
    assert [state for state in AuditState if f"`{state}`" not in command_line] == []


def test_dashboard_shows_each_reason() -> None:
    """All but what is delivered, which has a graph of its own."""
    template = (ROOT / "infra" / "template.yaml").read_text()

    shown = re.findall(r'"reason", "(\w+)"', template)

    assert set(shown) | {Reason.DELIVERED} == set(Reason)


def test_saved_query_has_each_reason() -> None:
    """The query `outcomes over time` adds up all of them."""
    template = (ROOT / "infra" / "template.yaml").read_text()

    assert re.findall(r"sum\(outcomes\.(\w+)\)", template) == list(Reason)


def test_chart_has_a_colour_for_each_reason() -> None:
    """Each reason of a dead letter has its colour; the others share one."""
    css = (ROOT / "whyness_mixpanel" / "static" / "whyness_mixpanel" / "admin.css").read_text()

    assert set(re.findall(r"\.reason-(\w+)", css)) == set(DEAD_REASONS) - {UNKNOWN}


# Words of the list that are also other things' names.
ALSO = {
    # The command; a message group; a button of the live page.
    "redrive": {"whyness_ops/options.py", "whyness_ops/resend.py", "whyness_ops/live/demo.py"},
    # Keys of what the live page shows.
    "delivered": {"whyness_ops/live/headline.py", "whyness_ops/live/screen.py"},
    "dead": {"whyness_ops/live/screen.py"},
    # A placeholder that Mixpanel refuses as an id; a field of the command's report.
    "unknown": {
        "functions/send_events/whyness_events/limits.py",
        "whyness_mixpanel/management/commands/mixpanel_forget.py",
        "whyness_ops/audit/verdicts.py",  # of a day
        "whyness_mixpanel/people/verify.py",  # of a profile
    },
    "crashed": {"whyness_ops/output.py", "whyness_ops/inspecting.py"},  # a key of the overview
    "failed": {  # a counter
        "whyness_mixpanel/counters.py",
        "whyness_mixpanel/publishing/batch.py",
        "whyness_mixpanel/publishing/publisher.py",
    },
    "stopped": {"whyness_ops/output.py"},  # a field of the report
    "waiting": {"whyness_mixpanel/people/verify.py"},  # a verdict on a profile
}
NAMES = frozenset({*Reason, *DEAD_REASONS, *WAITING_REASONS, AUDIT, *State, *AuditState})
# Reasons that are not also ordinary words.
ATTRIBUTES = frozenset({SOURCE_MESSAGE_ID, LOG_KEY, MAY_COUNT})


def _literals(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_list_is_copied() -> None:
    """No shipped module spells a reason or a state, nor the name of a dead letter's attribute."""
    homes = {DELIVERY / "outcomes.py", DELIVERY / "dead_letter.py"}
    paths = [path for root in SHIPPED for path in sorted(root.rglob("*.py")) if path not in homes]

    copies = [
        f"{name}:{line}: {text!r}"
        for path in paths
        for name in [str(path.relative_to(ROOT))]
        for line, text in _literals(path)
        if text in NAMES | ATTRIBUTES and name not in ALSO.get(text, ())
    ]

    assert copies == []
    assert len(paths) > 50
