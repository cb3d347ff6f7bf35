"""Each option of each command: a wrong value is exit code 2 and a sentence, before AWS is called."""

import argparse
from collections.abc import Iterator

import pytest

from whyness_ops.options import make_parser

HOSTILE = [
    *(
        "",
        " ",
        "x",
        "-1",
        "0",
        "00",
        "1e9",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "0x10",
        "1_0",
        "٣",
        "²",
        "\0",
        "\udcff",
    ),
    *("9" * 19, "9" * 5_000, "-" + "9" * 5_000, "9" * 400 + ".5", "1k" * 3_000, "9" * 5_000 + "bn"),
    *(
        "0001-01-01",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59:59.999999-14:00",
        "9999-12-31T23:59:59.9999999",
    ),
    *("2026-02-30", "2026-11-23T25:00", "2026-11-23T10:00+99:00", "-0001-01-01", "10000-01-01", "2026-W60-1"),
    *("x" * 100_000, "\x1b[2J", "a\nb"),
]
PARSER = make_parser()


def commands(
    parser: argparse.ArgumentParser, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield each command with its parser."""
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in nested:
        for name, inner in action.choices.items():
            yield from commands(inner, (*names, name))
    if not nested:
        yield names, parser


CASES = [
    (names, action.option_strings[-1] if action.option_strings else "", action.dest)
    for names, parser in commands(PARSER)
    for action in parser._actions
    if action.nargs != 0
]


def command_line(names: tuple[str, ...], option: str, dest: str, text: str) -> list[str]:
    """Return a command line with this text in this place, and what the command needs besides."""
    line = list(names)
    if names == ("capacity",) and dest != "events_per_day":
        line.append("--events-per-day=5m")
    if names == ("dlq", "export") and dest != "file":
        line.append("f")
    if names == ("dlq", "show") and dest not in ("message", "insert_id"):
        line.append("m")
    if names == ("probe",):
        line += ["--project=1", "--account=a"]
    if names == ("log", "show") and dest != "insert_id":
        line.append("x")
    return [*line, f"{option}={text}"] if option else [*line, "--", text]


def exit_code(line: list[str]) -> object:
    """Return the code with which argparse leaves, 0 where it takes the line."""
    try:
        PARSER.parse_args(line)
    except SystemExit as left:
        return left.code
    return 0


@pytest.mark.parametrize(("names", "option", "dest"), CASES)
def test_any_text_for_any_option_is_taken_or_a_usage_error(
    names: tuple[str, ...], option: str, dest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No exception but argparse's own, and the message does not repeat what is endless."""
    for text in HOSTILE:
        code = exit_code(command_line(names, option, dest, text))
        said = capsys.readouterr().err
        assert code in (0, 2)
        assert code == 0 or dest == "reason" or len(said.splitlines()[-1]) < 400  # that is argparse's own
        assert "object at" not in said


def test_the_walk_finds_the_options() -> None:
    """All commands, and those that take numbers and moments."""
    assert {("redrive",), ("capacity",), ("tail",)} <= {names for names, _, _ in CASES}
    assert {"days", "sample", "limit", "rate", "since", "until", "day", "reason", "file", "prices"} <= {
        dest for _, _, dest in CASES
    }
