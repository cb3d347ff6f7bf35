import os
from pathlib import Path

import pytest

from whyness_ops.aws import Aws
from whyness_ops.cli import main
from whyness_ops.help_texts import EXIT_CODES
from whyness_ops.output import printable, table

ENVIRONMENT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "QUEUE_URL": "http://127.0.0.1:9/1/live",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/1/dead",
    "LOG_TABLE_NAME": "Log",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["redrive", "--limit", "0"],
        ["redrive", "--limit", "-1"],
        ["redrive", "--rate", "0"],
        ["redrive", "--rate", "nan", "--all"],
        ["redrive", "--since", "yesterday"],
        ["redrive", "--since", "0001-01-01T00:00+14:00"],
        ["log", "list", "--day", "9999-12-31T23:00-14:00"],
        ["redrive", "--reason", "whatever"],
        ["dlq", "list", "--days", "91"],
        ["dlq", "show"],
        ["dlq", "show", "id", "--insert-id", "x"],
        ["log", "list", "--reason", "whatever"],
    ],
)
def test_a_wrong_argument_is_a_usage_error(arguments: list[str]) -> None:
    """The command line is checked before AWS is asked."""
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["redrive"], 2, "Nothing selected"),
        (["redrive", "--all", "--reason", "rejected"], 2, "cannot be combined"),
        (["redrive", "--edit", "nonsense"], 2, "package.module:function"),
        (["dlq", "list"], 3, "No AWS region"),
        (["dlq", "list", "--region", "eu-west-1"], 3, "credentials are missing"),
        (["dlq", "list", "--profile", "nobody"], 3, "nobody"),
        (["dlq", "list", "--region", "eu-west-1", "--endpoint-url", "nonsense"], 3, "endpoint"),
        (["dlq", "list", "--dead-letter-queue-url", "", "--region", "eu-west-1"], 3, "DEAD_LETTER_QUEUE_URL"),
        (["log", "list", "--log-table", "", "--region", "eu-west-1"], 3, "LOG_TABLE_NAME"),
    ],
)
def test_a_faulty_set_up_is_a_sentence(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says what to do, and none shows a traceback."""
    assert main(arguments) == code

    error = capsys.readouterr().err
    assert text in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
    ],
)
def test_the_region_is_found_as_the_aws_cli_finds_it(
    settings: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each variable that the help names; an option counts first."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    assert Aws().sqs.meta.region_name == region
    assert Aws(region="eu-west-3").sqs.meta.region_name == "eu-west-3"


def test_an_endpoint_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A connection that is refused is exit code 3 with the address."""
    settings = {
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
        "DEFAULT_REGION": "eu-west-1",
        "MAX_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)

    code = main(["dlq", "show", "id", "--endpoint-url", "http://127.0.0.1:9"])

    assert code == 3
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_what_strangers_wrote_cannot_steer_the_terminal() -> None:
    """Control characters are shown, not sent."""
    shown = printable("a\x1b[2Jb\r\nc\u202e")

    assert shown == "a\\x1b[2Jb\\x0d\nc\\x202e"


def test_an_empty_table_says_so() -> None:
    """No rows are told as that."""
    assert table([], ["a"]) == "(none)"


def test_the_exit_codes_in_the_docs_are_those_of_the_help() -> None:
    """The table of docs/reference/command-line.md says what `--help` says."""
    page = (Path(__file__).parents[3] / "docs" / "reference/command-line.md").read_text()
    table_in_docs = page.partition("<!-- exit codes -->\n")[2].partition("<!-- /exit codes -->")[0]

    rows = [line.strip().partition(" ") for line in EXIT_CODES.splitlines()[1:]]
    expected = [f"| {code} | {meaning.strip()} |" for code, _, meaning in rows]

    assert table_in_docs.splitlines()[2:] == expected
