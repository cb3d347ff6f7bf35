import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.builders import make_body, make_event
from tests.django_support import override
from tests.unit.ops.fake_sqs import DEAD, LIVE, FakeAws
from whyness_mixpanel.models import Suppression
from whyness_ops import redrive_command, stack_options

QUEUE = "https://sqs.eu-west-3.amazonaws.com/1/live"
DEAD_LETTER_QUEUE = "https://sqs.eu-west-3.amazonaws.com/1/dead"
SETTINGS = {"QUEUE_URL": QUEUE, "DEAD_LETTER_QUEUE_URL": DEAD_LETTER_QUEUE, "LOG_TABLE_NAME": "Log"}


@pytest.fixture
def aws(db: None, monkeypatch: pytest.MonkeyPatch) -> FakeAws:  # noqa: ARG001  (it sets Django up)
    """A stack with dead letters of the suppressed user 5 and of user 7, and one that cannot be read."""
    Suppression.objects.create(user="5")
    aws = FakeAws()
    for user in ("5", "7"):
        aws.sqs.bury(f"of-{user}", make_body(make_event(insert_id=f"x{user}", user=user)), reason="rejected")
    aws.sqs.bury("unreadable", "no JSON", reason="unreadable")
    monkeypatch.setattr(stack_options, "Aws", lambda **_: aws)
    return aws


def redrive(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and report."""
    out, code = StringIO(), 0
    stack = ("--queue-url", LIVE, "--dead-letter-queue-url", DEAD, "--log-table", "Log")
    try:
        call_command("mixpanel_redrive", *arguments, *stack, "--json", stdout=out)
    except CommandError as error:
        code = error.returncode
    return code, json.loads(out.getvalue())


def give_to_5(raw: Any) -> dict[str, Any]:
    """Make an event of the suppressed user, of a text too."""
    event = raw if isinstance(raw, dict) else make_event(insert_id="made").to_wire()
    return {**event, "user": "5"}


def give_to_7(event: dict[str, Any]) -> dict[str, Any]:
    """Make it an event of somebody else."""
    return {**event, "user": "7"}


@pytest.mark.parametrize("arguments", [("--all",), ("--limit", "9")])
def test_dead_letters_of_suppressed_users_stay_by_default(aws: FakeAws, arguments: tuple[str, ...]) -> None:
    """Also with --all, for SQS would move them unseen. They are named in the report."""
    code, report = redrive(*arguments)

    assert (code, report["sent"]) == (1, 1)
    assert [json.loads(entry["MessageBody"])["events"][0]["user"] for entry in aws.sqs.sent] == ["7"]
    assert {left["message_id"]: left["why"] for left in report["left"]} == {
        "of-5": "its user is suppressed",
        "unreadable": "its body cannot be read; fix it with the command mixpanel_redrive and --edit",
    }
    assert aws.sqs.visible == {"of-5", "unreadable"}


@pytest.mark.parametrize(("edit", "sent"), [("give_to_5", 0), ("give_to_7", 1)])
def test_event_is_checked_before_and_after_the_edit(aws: FakeAws, edit: str, sent: int) -> None:
    """Neither a new user nor a new body takes an event past the list."""
    _, report = redrive("--limit", "9", "--edit", f"{__name__}:{edit}")

    assert report["sent"] == sent == len(aws.sqs.sent)
    assert "its user is suppressed" in {left["why"] for left in report["left"]}


def test_all_that_may_be_sent_is_success(aws: FakeAws) -> None:
    """The exit code is 0."""
    assert redrive("--insert-id", "x7")[0] == 0
    assert "of-7" not in aws.sqs.messages


@pytest.mark.parametrize(
    ("arguments", "chosen", "expected"),
    [
        ([], {}, (QUEUE, DEAD_LETTER_QUEUE, "Log", "eu-west-3")),
        ([], {"REGION": "eu-west-1"}, (QUEUE, DEAD_LETTER_QUEUE, "Log", "eu-west-1")),
        (["--region", "us-east-1"], {"REGION": "eu-west-1"}, (QUEUE, DEAD_LETTER_QUEUE, "Log", "us-east-1")),
        (
            ["--queue-url", "q", "--dead-letter-queue-url", "d", "--log-table", "t"],
            {},
            ("q", "d", "t", None),
        ),
    ],
)
def test_stack_is_that_of_the_settings_unless_an_option_names_another(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], chosen: dict[str, str], expected: tuple[str, ...]
) -> None:
    """Variables that only whyness-mixpanel reads are not asked."""
    given: list[Any] = []

    def redrive(options: Any, *_: object, **__: object) -> int:
        given.append(options)
        return 0

    monkeypatch.setenv("QUEUE_URL", "elsewhere")
    monkeypatch.setattr(redrive_command, "redrive", redrive)

    with override(**SETTINGS, **chosen):
        call_command("mixpanel_redrive", "--all", *arguments)

    (options,) = given
    chosen_stack = options.queue_url, options.dead_letter_queue_url, options.log_table, options.region
    assert chosen_stack == expected


@pytest.mark.parametrize(
    ("arguments", "chosen", "code", "text"),
    [
        ([], SETTINGS, 2, "Nothing selected"),
        (["--all", "--edit", "no.such:edit"], SETTINGS, 2, "cannot be combined"),
        (["--limit", "1", "--edit", "no.such:edit"], SETTINGS, 2, "importing no.such raised"),
        (["--all"], SETTINGS | {"DEAD_LETTER_QUEUE_URL": ""}, 3, "DEAD_LETTER_QUEUE_URL"),
        (["--all"], SETTINGS | {"QUEUE_URL": "no URL"}, 1, "QUEUE_URL"),
    ],
)
@pytest.mark.usefixtures("aws")
def test_what_cannot_be_redriven_is_a_sentence(
    arguments: list[str], chosen: dict[str, str], code: int, text: str
) -> None:
    """With the exit codes of whyness-mixpanel."""
    with override(**chosen), pytest.raises(CommandError, match=text) as caught:
        call_command("mixpanel_redrive", *arguments)

    assert caught.value.returncode == code
