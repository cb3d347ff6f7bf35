"""Each action of each management command takes Django's own options, on either side of its name."""

from argparse import ArgumentParser, Namespace, _SubParsersAction

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from whyness_mixpanel.management.base_options import base_options

OURS = sorted(name for name, app in get_commands().items() if app == "whyness_mixpanel")
GIVEN = {
    "--verbosity": ("0", 0),
    "--settings": ("site.settings", "site.settings"),
    "--pythonpath": ("/srv", "/srv"),
    "--traceback": (None, True),
    "--no-color": (None, True),
    "--force-color": (None, True),
    "--skip-checks": (None, True),
}


def parser_of(name: str) -> ArgumentParser:
    """Return the parser of one of our commands."""
    return load_command_class("whyness_mixpanel", name).create_parser("manage.py", name)


def actions_of(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """Return the sub-parsers by name."""
    found = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    return dict(found[0].choices) if found else {}


WITH_ACTIONS = [(name, action) for name in OURS for action in actions_of(parser_of(name))]


def test_the_table_names_all_of_djangos_options() -> None:
    """A new Django with another option fails here, and not at somebody's cron."""
    known = {
        option for action in BaseCommand().create_parser("", "")._actions for option in action.option_strings
    }

    assert known == {*GIVEN, "-v", "-h", "--help", "--version"}
    assert WITH_ACTIONS, "no command has actions: this test checks nothing"


@pytest.mark.parametrize(("name", "action"), WITH_ACTIONS)
@pytest.mark.parametrize("option", GIVEN)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_an_option_of_django_is_taken_on_both_sides_of_the_action(
    name: str, action: str, option: str, place: str
) -> None:
    """`drain --verbosity 0` is what people write, and what Django's documentation shows is the other."""
    text, value = GIVEN[option]
    given = [option] if text is None else [option, text]

    needed = ["1" for part in actions_of(parser_of(name))[action]._get_positional_actions() if part.required]

    arguments = [*given, action] if place == "before" else [action, *given]
    found: Namespace = parser_of(name).parse_args([*arguments, *needed])

    assert getattr(found, option.removeprefix("--").replace("-", "_")) == value


def test_what_is_not_given_behind_the_action_is_left_as_it_was() -> None:
    """A default of the action would undo what stands before it."""
    assert vars(base_options().parse_args([])) == {}


@pytest.mark.parametrize("name", OURS)
def test_option_is_given_by_its_whole_name(name: str) -> None:
    """To each command and each action: an abbreviation would mean something else once an option is added."""
    parser = parser_of(name)

    assert [inner.prog for inner in (parser, *actions_of(parser).values()) if inner.allow_abbrev] == []
