"""argparse whose errors are one line and a hint, as people are used to."""

import argparse
import difflib
import importlib.metadata
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

from whyness_ops import terminal
from whyness_ops.errors import UsageFault
from whyness_ops.option_types import shown
from whyness_ops.output import printable

_PACKAGE = "whyness-mixpanel"

Commands: TypeAlias = "argparse._SubParsersAction[ArgumentParser]"  # noqa: SLF001


class ArgumentParser(argparse.ArgumentParser):
    """A parser with examples in its help, and a usage of one line."""

    def __init__(self, *, examples: str, **options: Any) -> None:
        super().__init__(epilog=examples, formatter_class=_HelpFormatter, allow_abbrev=False, **options)
        self.set_defaults(parser=self)

    def format_help(self) -> str:
        """Return the help; its usage does not repeat the list of options."""
        names = [str(action.metavar) for action in self._get_positional_actions()]
        self.usage = " ".join(["%(prog)s [OPTIONS]", *names])
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Leave with one line that says what is wrong, and one that says where to read on."""
        text = printable(message.removeprefix("argument ")).replace("\n", " ")
        hint = f"Run '{self.prog} --help' for options and examples."
        self.exit(UsageFault.exit_code, f"{self.prog}: {terminal.red('error')}: {text}\n{hint}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            text = f"{shown(str(value))} is not one of {', '.join(names)}.{_similar(str(value), names)}"
            raise argparse.ArgumentError(action, text)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"max_help_position": 32, **options})


class ShowVersion(argparse.Action):
    """Prints the version of the installed package."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Print it and leave."""
        del namespace, values, option_string
        try:
            version = importlib.metadata.version(_PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            version = "(not installed as a package)"
        sys.stdout.write(f"{_PACKAGE} {version}\n")
        parser.exit()


def add_parser(group: Commands, name: str, help_: str, examples: str) -> ArgumentParser:
    """Return the parser of a new command or group of commands; `help_` has no capital and no full stop."""
    description = f"{help_[0].upper()}{help_[1:]}."
    return group.add_parser(name, help=help_, description=description, examples=examples)


def parse(root: ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command, and `arguments` as given.

    A wrong option ends with an error of that command's parser.
    """
    given = sys.argv[1:] if arguments is None else [*arguments]
    options, unknown = root.parse_known_args(given, argparse.Namespace(arguments=given))
    parser: ArgumentParser = options.parser
    if unknown:
        parser.error(_unknown(unknown[0], parser))
    if not hasattr(options, "run"):
        parser.error(f"no command given. Use one of {', '.join(subparsers(parser))}.")
    return options


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands of a parser, by name; none if it is a command itself."""
    actions = parser._actions  # noqa: SLF001  (argparse has no other way to ask)
    groups = [action for action in actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    return dict(groups[0].choices) if groups else {}


def walk(
    parser: argparse.ArgumentParser, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield the parser and those of all commands below it, each with its names."""
    yield names, parser
    for name, inner in subparsers(parser).items():
        yield from walk(inner, (*names, name))


def _unknown(given: str, parser: argparse.ArgumentParser) -> str:
    if not given.startswith("-"):
        return f"unexpected argument {shown(given)}."
    name = given.partition("=")[0]
    options = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
    return f"{shown(name)} is not an option.{_similar(name, options)}"


def _similar(given: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(given[:100], names, n=1)
    return f" Did you mean {close[0]}?" if close else ""
