"""The whole command line is walked: help, groups, wrong options, colour."""

import argparse
import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence

import pytest

from whyness_ops.argument_parser import subparsers, walk
from whyness_ops.cli import main
from whyness_ops.options import make_parser

PARSER = make_parser()
ALL = dict(walk(PARSER))
COMMANDS = [names for names, parser in ALL.items() if parser.get_default("run")]
# Commands that ask AWS.
ASKING = [names for names in COMMANDS if names[0] not in ("audit", "capacity", "completion", "probe")]


def leave(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Return the exit code, stdout and stderr of a command line that argparse ends."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code, *capsys.readouterr()


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_each_help_has_a_sentence_and_examples(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the command does, and command lines of this very command to copy."""
    code, out, err = leave([*names, "--help"], capsys)

    command = " ".join(("whyness-mixpanel", *names))
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: {command} [OPTIONS]")
    assert out.splitlines()[2].endswith(".") or not names
    assert f"\n  {command}" in out.partition("examples:")[2]


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_each_option_is_explained(names: tuple[str, ...]) -> None:
    """No option stands in the help with its name alone."""
    silent = [action.dest for action in ALL[names]._actions if not action.help]

    assert silent == ["==SUPPRESS=="] * len(silent)  # a group of commands, which are explained one by one


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_options_are_in_groups_and_the_connection_is_last(names: tuple[str, ...]) -> None:
    """What a person chooses comes before where it is."""
    groups = [group for group in ALL[names]._action_groups if group._group_actions]
    titles = [group.title for group in groups]

    assert titles[-1:] == (["connection"] if names in ASKING else titles[-1:])
    assert [title for title in titles if title not in _TITLES] == []
    assert {action.dest for action in groups[-1]._group_actions} == _CONNECTION or names not in ASKING


_TITLES = (
    "positional arguments",
    "options",
    "selection",
    "comparison",
    "sending",
    "deprecated",
    "serving",
    "load",
    "stack",
    "prices",
    "output",
    "connection",
)
_CONNECTION = {
    "stack",
    "env",
    "queue_url",
    "dead_letter_queue_url",
    "log_table",
    "profile",
    "region",
    "endpoint_url",
}


def valid(names: tuple[str, ...]) -> list[str]:
    """Return the command with what it cannot do without."""
    needed = {
        "audit": ["f", "--since", "2026-11-01", "--until", "2026-11-02", "--zone", "UTC", "--project", "1"],
        "capacity": ["--events-per-day", "5m"],
        "probe": ["--project", "1", "--account", "a"],
        "dlq show": ["m"],
        "dlq export": ["f"],
        "send": ["f"],
        "log show": ["i"],
        "completion": ["bash"],
    }
    return [*names, *needed.get(" ".join(names), [])]


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_an_unknown_option_is_a_line_and_a_hint(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the option and the command, the hint its own help; no usage, no colour in a pipe."""
    for given in ("--qqqq", "--\x1b[31m\nx", "--" + "x" * 10_000):
        code, out, err = leave([*valid(names), given], capsys)

        line, hint = err.splitlines()
        command = " ".join(("whyness-mixpanel", *names))
        assert (code, out) == (2, "")
        assert line.startswith(f"{command}: error: '--")
        assert line.endswith("is not an option.")
        assert hint == f"Run '{command} --help' for options and examples."
        assert "\x1b" not in err
        assert len(err) < 300


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_option_is_given_by_its_whole_name(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """An abbreviation would mean something else once another option begins like it."""
    options = [option for action in ALL[names]._actions for option in action.option_strings]
    for option in (option for option in options if len(option) > 4 and option[:-1] not in options):
        code, _, err = leave([*valid(names), option[:-1]], capsys)
        assert (code, f"{option[:-1]!r} is not an option." in err) == (2, True)


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_typing_error_is_recognised(names: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Each option with a character too many, and each command with one too few."""
    options = [option for action in ALL[names]._actions for option in action.option_strings]
    for option in (option for option in options if len(option) > 4):
        wrong = f"{option[:-1]}x{option[-1]}"
        _, _, err = leave([*valid(names), wrong], capsys)
        assert f"{wrong!r} is not an option. Did you mean --" in err
    if names:
        *group, name = names
        _, _, err = leave([*group, name[1:]], capsys)
        assert f"Did you mean {name}?" in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [],
            f"whyness-mixpanel: error: no command given. Use one of {', '.join(subparsers(PARSER))}.",
        ),
        (["dlq"], "whyness-mixpanel dlq: error: no command given. Use one of list, show, export."),
        (
            ["redrive", "--limit", "0"],
            "whyness-mixpanel redrive: error: --limit: '0' is not an integer from 1 to 1000000000.",
        ),
        (["log", "stats", "x"], "whyness-mixpanel log stats: error: unexpected argument 'x'."),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is wrong and what is allowed."""
    code, _, err = leave(arguments, capsys)

    assert (code, err.splitlines()[0]) == (2, line)


def test_the_version_is_that_of_the_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a checkout that is not installed says so."""
    version = importlib.metadata.version("whyness-mixpanel")
    assert leave(["--version"], capsys) == (0, f"whyness-mixpanel {version}\n", "")

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert leave(["--version"], capsys)[1] == "whyness-mixpanel (not installed as a package)\n"


def test_completion_names_each_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    """For each shell."""
    pytest.importorskip("shtab", reason="needs the wheel's extra `cli`")
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        options = {o[2:] for parser in ALL.values() for a in parser._actions for o in a.option_strings}
        words = {*(name for names in ALL for name in names), *options - {"help"}}
        assert [word for word in words if word not in script] == []


def test_without_its_library_completion_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is not needed for anything else."""
    monkeypatch.setitem(sys.modules, "shtab", None)

    assert main(["completion", "bash"]) == 2
    assert "extra `cli`" in capsys.readouterr().err


def test_no_help_of_a_pipe_has_colour() -> None:
    """A process of its own, as newer versions of argparse colour by themselves."""
    command = [sys.executable, "-m", "whyness_ops", "redrive"]
    for arguments in (["--help"], ["--nonsense"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
        assert "\x1b" not in done.stdout + done.stderr


def test_the_walk_finds_all() -> None:
    """Commands that ask AWS, three that do not, two groups and the whole."""
    assert {("dlq", "list"), ("redrive",), ("status",), ("completion",)} <= set(ALL)
    assert len(ASKING) < len(COMMANDS) < len(ALL)
    assert all(isinstance(parser, argparse.ArgumentParser) for parser in ALL.values())
