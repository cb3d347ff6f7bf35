"""docs/reference/command-line.md: each command's help, made from the parsers.

Not `format_help()`: how that looks depends on the Python, on the terminal and on the environment.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management import load_command_class

from tests import django_support  # noqa: F401  (it sets Django up)
from tests.reference.markdown import block, code, plain, table
from whyness_mixpanel import management
from whyness_mixpanel.management.base_options import base_options
from whyness_ops.argument_parser import walk
from whyness_ops.options import make_parser

_COMMANDS = Path(management.__file__).parent / "commands"
_DJANGOS = {action.dest for action in base_options()._actions} | {"help"}


def operator_commands() -> str:
    """Return a section for each command of whyness-mixpanel."""
    root = make_parser()
    connection = {
        action.dest
        for _, parser in walk(root)
        for group in parser._action_groups
        if group.title == "connection"
        for action in group._group_actions
    }
    return _sections("whyness-mixpanel", root, leave_out={"help", *connection})


def site_commands() -> str:
    """Return a section for each command of manage.py that the app adds."""
    names = sorted(path.stem for path in _COMMANDS.glob("[a-z]*.py"))
    commands = {name: load_command_class("whyness_mixpanel", name) for name in names}
    return "\n\n".join(
        _sections(f"manage.py {name}", command.create_parser("manage.py", name), leave_out=_DJANGOS)
        for name, command in commands.items()
    )


def _sections(program: str, root: argparse.ArgumentParser, leave_out: set[str]) -> str:
    seen: set[str] = set()
    sections = []
    for names, parser in walk(root):
        epilog = parser.epilog or ""
        shown = "" if epilog in seen else epilog
        seen.add(epilog)
        level = "####" if names else "###"
        told = _described(root, parser, names[-1] if names else "")
        parts = [f"{level} {' '.join((program, *names))}", told, *_options(parser, leave_out)]
        sections += [part for part in parts if part] + ([block(shown)] if shown else [])
    return "\n\n".join(sections)


def _described(root: argparse.ArgumentParser, parser: argparse.ArgumentParser, name: str) -> str:
    told = {choice.dest: choice.help for group in _groups(root) for choice in group._choices_actions}
    text = plain(parser.description or told.get(name) or "")
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _groups(
    parser: argparse.ArgumentParser,
) -> Iterator["argparse._SubParsersAction[Any]"]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield action


def _options(parser: argparse.ArgumentParser, leave_out: set[str]) -> Iterator[str]:
    """Yield a table of the options that are this command's own."""
    formatter = parser._get_formatter()
    rows = [
        (code(_invocation(action)), plain(formatter._expand_help(action) if action.help else ""))
        for group in parser._action_groups
        for action in group._group_actions
        if action.dest not in leave_out and not isinstance(action, argparse._SubParsersAction)
    ]
    if rows:
        yield table(("option", "meaning"), rows)


def _invocation(action: argparse.Action) -> str:
    shown = action.metavar or (",".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(shown)
    options = ", ".join(action.option_strings)
    return options if action.nargs == 0 else f"{options} {shown}"
