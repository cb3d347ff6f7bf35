import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.emulator import MINISTACK, EmulatorMissing
from local.processes import ProcessFailed
from local.stack import LocalStack
from local.template import Template, TemplateError
from tests.integration.local.support import FUNCTIONS_DIR, processes_of, wait_for

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.usefixtures("rie_path"),
    pytest.mark.skipif(not MINISTACK.exists(), reason=f"{MINISTACK} is missing: `make demo` installs it"),
]

# A program that starts the stack, says each step, and then has nothing to do.
PROGRAM = """
import sys, time
from pathlib import Path
from local.processes import stop_like_ctrl_c
from local.stack import LocalStack
stop_like_ctrl_c()
def say(what):
    print(what, flush=True)
with LocalStack(Path(sys.argv[1]), say=say, environment={"MARKER": sys.argv[1]}) as stack:
    say("all is up")
    while True:  # in one long sleep, a signal that comes just before it would wait for its end
        time.sleep(0.1)
"""
STEPS = 5


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The whole pipeline, with a short batching window."""
    with LocalStack(tmp_path_factory.mktemp("stack"), window_s=1) as running:
        yield running


def events_at_mixpanel(stack: LocalStack) -> list[Any]:
    """Return the simulator's events, without duplicates."""
    with urllib.request.urlopen(f"{stack.simulator_url}/_simulator/events", timeout=20) as answer:  # noqa: S310  (loopback)
        return [json.loads(line) for line in answer.read().splitlines()]


def test_message_reaches_mixpanel_and_what_cannot_goes_to_the_dead_letters(stack: LocalStack) -> None:
    """The real function, with credentials from the secret, delivers, dead-letters and writes the Log."""
    sqs = stack.account.client("sqs")
    event = {"insert_id": "1", "event": "Test", "user": "2", "time": 1_763_900_000_000}

    sqs.send_message(QueueUrl=stack.resources.queue_url, MessageBody=json.dumps(event))
    sqs.send_message(QueueUrl=stack.resources.queue_url, MessageBody="not JSON")
    wait_for(lambda: stack.poller.counters.deleted == 2)

    [arrived] = events_at_mixpanel(stack)
    dead = sqs.receive_message(QueueUrl=stack.resources.dead_letter_queue_url, MessageAttributeNames=["All"])
    rows = stack.account.client("dynamodb").scan(TableName=stack.resources.log_table_name)["Items"]
    assert arrived["properties"]["$insert_id"] == "1"
    assert [message["Body"] for message in dead["Messages"]] == ["not JSON"]
    assert [row["reason"]["S"] for row in rows] == ["unreadable"]


def test_queues_and_table_have_the_shapes_of_the_template(stack: LocalStack) -> None:
    """The queue, its redrive policy, the table and the index are as in the template."""
    sqs, dynamodb = stack.account.client("sqs"), stack.account.client("dynamodb")
    queue, table = (Template.read().properties(name) for name in ("EventQueue", "LogTable"))

    attributes: Any = sqs.get_queue_attributes(QueueUrl=stack.resources.queue_url, AttributeNames=["All"])
    attributes = attributes["Attributes"]
    description: Any = dynamodb.describe_table(TableName=stack.resources.log_table_name)["Table"]
    ttl = dynamodb.describe_time_to_live(TableName=stack.resources.log_table_name)["TimeToLiveDescription"]

    assert attributes["VisibilityTimeout"] == str(queue["VisibilityTimeout"])
    assert attributes["MessageRetentionPeriod"] == str(queue["MessageRetentionPeriod"])
    assert (
        json.loads(attributes["RedrivePolicy"])["maxReceiveCount"]
        == queue["RedrivePolicy"]["maxReceiveCount"]
    )
    assert description["KeySchema"] == table["KeySchema"]
    [index], [expected] = description["GlobalSecondaryIndexes"], table["GlobalSecondaryIndexes"]
    assert {name: index[name] for name in expected} == expected
    assert ttl["AttributeName"] == table["TimeToLiveSpecification"]["AttributeName"]


def test_function_has_the_environment_of_the_template(stack: LocalStack) -> None:
    """Every variable is resolved to a local value, and none leads outside this machine."""
    variables = stack.config.function.environment
    expected = Template.read().properties("SendEventsFunction")["Environment"]["Variables"]

    assert set(expected) <= set(variables)
    assert variables["QUEUE_URL"] == stack.resources.queue_url
    assert variables["MIXPANEL_SECRET_ARN"] == stack.resources.secret_arn
    assert variables["MIXPANEL_PROJECT_ID"] != "2780485"
    assert variables["MIXPANEL_API_URL"].startswith("http://127.0.0.1:")
    assert variables["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_environment_without_a_local_value_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that the template takes from something unknown here is named."""
    text = "MAX_RECEIVE_COUNT: !GetAtt Somewhere.Else"
    path = tmp_path / "template.yaml"
    path.write_text(Path("infra/template.yaml").read_text().replace('MAX_RECEIVE_COUNT: "1000"', text))
    template = Template.read(path, MixpanelProjectId="1")
    monkeypatch.setattr(Template, "read", lambda **_: template)

    with pytest.raises(TemplateError, match="MAX_RECEIVE_COUNT"), LocalStack(tmp_path, poll=False):
        pass


def test_missing_emulator_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the commands."""
    monkeypatch.setattr("local.emulator.MINISTACK", tmp_path / "none")

    with pytest.raises(EmulatorMissing, match=r"requirements/emulator\.txt"), LocalStack(tmp_path):
        pass


def test_simulator_that_does_not_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error during the start stops the started processes, and is reported with the log."""
    monkeypatch.setattr("local.stack.PROJECT_ID", "1:nowhere")

    with pytest.raises(ProcessFailed, match=r"(?s)Mixpanel simulator ended.*nowhere"), LocalStack(tmp_path):
        pass

    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_at_any_step_leaves_no_process(tmp_path: Path, step: int, number: signal.Signals) -> None:
    """Whenever the start is interrupted, or the running stack, everything it has started ends."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(  # noqa: S603  (the program above)
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        assert program.stdout is not None
        for _ in range(step):
            program.stdout.readline()

        program.send_signal(number)

        assert program.wait(30) != 0
    wait_for(lambda: processes_of(tmp_path) == [])


def test_function_can_be_another(tmp_path: Path) -> None:
    """The stack runs whatever code directory it is given."""
    with LocalStack(tmp_path, code_dir=FUNCTIONS_DIR, poll=False) as other:
        assert other.config.function.code_dir == FUNCTIONS_DIR
        assert not hasattr(other, "poller")
