import io
import json
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aws_stub.dynamodb_rules import check_batch
from tests.builders import NOW_MS
from tests.hostile import messages, rows
from tests.unit.ops.fake_sqs import DEAD, LIVE, FakeAws
from whyness_ops import NotFound, Stack, Stop, commands, stack_options
from whyness_ops.cli import main
from whyness_ops.options import make_parser

PARSER = make_parser()
STACK = Stack(LIVE, DEAD, "Log")
NAMED = ["--queue-url", LIVE, "--dead-letter-queue-url", DEAD, "--log-table", "Log"]
LOOKS = (
    "dlq list --days 1",
    "dlq show m0",
    "dlq show --insert-id deep",
    "dlq export FILE",
    "log list --days 1",
    "log list --insert-id x --reason rejected",
    "log stats --days 1",
    "log list --day 0001-01-01",
    "log stats --day 9999-12-31T23:59:59.999",
    "redrive --since 0001-01-01 --until 9999-12-31T23:59:59.999 --dry-run",
    "log show x",
    "log rebuild",
    "redrive --since 2020-01-01 --until 2030-01-01 --user 1 --dry-run",
)


def an_aws(found: list[dict[str, Any]], items: list[dict[str, Any]]) -> FakeAws:
    """Return queues and a table with these."""
    aws = FakeAws()
    for n, message in enumerate(found):
        aws.sqs.messages[f"m{n}"] = {**message, "MessageId": f"m{n}", "ReceiptHandle": f"m{n}"}
    aws.dynamodb.items = items
    return aws


def look(line: str, aws: FakeAws, *, as_json: bool) -> str:
    """Run a command, as `main` does, and return what it prints; what is not there may be said."""
    options = PARSER.parse_args([*line.split(), *NAMED, *(["--json"] if as_json else [])])
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()),
        suppress(NotFound),
    ):
        patch.setattr(stack_options, "connect", lambda _: (aws, STACK))
        options.run(options, Stop())
    return out.getvalue()


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=60)
@given(found=st.lists(messages(), max_size=4), items=st.lists(rows(), max_size=4), as_json=st.booleans())
def test_no_dead_letter_and_no_row_breaks_a_command(
    found: list[dict[str, Any]],
    items: list[dict[str, Any]],
    as_json: bool,  # noqa: FBT001  (drawn)
) -> None:
    """Each shows what it can, whatever the types, times, sizes and texts, and a redrive sends them all."""
    aws = an_aws(found, items)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dead.jsonl"
        for line in LOOKS:
            shown = look(line.replace("FILE", str(path)), aws, as_json=as_json)
            assert not as_json or shown == "" or json.loads(shown) is not None
        exported = path.read_text().splitlines()
    assert aws.sqs.visible == set(aws.sqs.messages)

    look("redrive --since 1970-01-01 --limit 1000000000", aws, as_json=as_json)

    assert len(aws.sqs.sent) == len(exported) == len(found)
    for item in (arguments["Item"] for arguments in aws.dynamodb.puts if "who" not in arguments["Item"]):
        check_batch([item])
        assert int(item["last_failed_at"]["N"]) > 0


def test_what_is_shown_of_a_deep_event_is_its_body(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON for people cannot be written of it."""
    body = '{"events": [{"insert_id": "deep", "data": ' + '{"a":' * 300 + "1" + "}" * 300 + "}]}"
    aws = an_aws([{"Body": body}], [])
    monkeypatch.setattr(stack_options, "connect", lambda _: (aws, STACK))

    main(["dlq", "show", "m0", *NAMED, "--json"])

    shown = json.loads(capsys.readouterr().out)
    assert (shown["events"], shown["body"], shown["insert_id"]) == ([], body, "deep")


def test_a_row_of_endless_attributes_is_one_that_dynamodb_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead letter that cannot be recorded must not hold back the rows of all others."""
    names = ("reason", "detail", "insert_id", "log_key", "source_message_id", "http_status", "failed_at")
    texts = {name: {"DataType": "String", "StringValue": "9" * 140_000} for name in names}
    aws = an_aws([{"Body": "no JSON", "MessageAttributes": texts}], [])
    monkeypatch.setattr(stack_options, "connect", lambda _: (aws, STACK))

    main(["log", "rebuild", *NAMED])

    check_batch([arguments["Item"] for arguments in aws.dynamodb.puts])


def test_a_row_of_a_dead_letter_from_the_future_is_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a day to come no list would show it, and it would never expire."""
    failed_at = {"DataType": "String", "StringValue": "9999-12-31T00:00:00+00:00"}
    aws = an_aws([{"Body": "x", "MessageAttributes": {"failed_at": failed_at}}], [])
    monkeypatch.setattr(stack_options, "connect", lambda _: (aws, STACK))
    monkeypatch.setattr(commands, "_now_ms", lambda: NOW_MS)

    main(["log", "rebuild", *NAMED])

    assert aws.dynamodb.puts[0]["Item"]["last_failed_at"] == {"N": str(NOW_MS)}
