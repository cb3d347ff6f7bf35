from pathlib import Path

import pytest

from local import invoke
from local.invoke import InvokeError, check_processor, is_proper, main, read_event


def test_ids_of_the_messages_are_read_from_the_event() -> None:
    """The sample in events/ is an SQS event with a message id per record."""
    text, message_ids = read_event(invoke.SAMPLE)

    assert text == invoke.SAMPLE.read_bytes()
    assert len(message_ids) == len(set(message_ids)) > 1


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "{}", '{"Records": 1}', '{"Records": [{}]}', "null"])
def test_file_that_is_no_sqs_event_is_refused(tmp_path: Path, text: str) -> None:
    """The error says what is expected, whatever the file holds."""
    path = tmp_path / "event.json"
    path.write_text(text)

    with pytest.raises(InvokeError, match=r"event\.json is not an SQS event"):
        read_event(path)


def test_missing_file_and_missing_build_are_told_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 1 and the text says what to do; nothing is started."""
    monkeypatch.setattr(invoke, "BUILD_DIR", tmp_path / "build")

    statuses = [main([str(tmp_path / "absent.json")]), main([])]

    said = capsys.readouterr().err
    assert statuses == [1, 1]
    assert "absent.json cannot be read: No such file" in said
    assert "Run `make build` first" in said


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "arm64"])
def test_a_function_built_for_the_other_processor_is_refused(machine: str) -> None:
    """The error names the cause, instead of an import error in the function."""
    here, other = ("x86_64", "arm64") if machine in ("x86_64", "AMD64") else ("arm64", "x86_64")
    built = "Parameters: {{Architecture: {{Default: {}}}}}"

    check_processor(built.format(here), machine)
    with pytest.raises(InvokeError, match=f"built for {other}, and this machine is {here}. Run `make build`"):
        check_processor(built.format(other), machine)


@pytest.mark.parametrize(
    ("body", "proper"),
    [
        ('{"batchItemFailures": []}', True),
        ('{"batchItemFailures": [{"itemIdentifier": "a"}]}', True),
        ("null", False),
        ("{}", False),
        ('{"batchItemFailures": null}', False),
        ('"ok"', False),
    ],
)
def test_answer_that_acknowledges_by_accident_is_not_proper(body: str, *, proper: bool) -> None:
    """Lambda takes an empty answer for success; here it must be said."""
    assert is_proper(body) is proper


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The help shows how it is called."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])

    assert "python -m local.invoke --source" in capsys.readouterr().out
