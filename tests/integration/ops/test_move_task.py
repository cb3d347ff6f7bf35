"""The message move task, which emulators do not have: against a stub of SQS's JSON protocol on loopback."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from tests.aws_stub import DENIED, AwsError
from tests.loopback import LoopbackServer, Request, Response
from whyness_ops import Aws, Move, Redrive, Refused, Selection, SetupFault, Stack, Stop, redrive_all
from whyness_ops.output import moved_text

DEAD_ARN = "arn:aws:sqs:eu-west-1:123456789012:dead"
LIVE_ARN = "arn:aws:sqs:eu-west-1:123456789012:live"
WHO = "arn:aws:iam::123456789012:user/somebody"


class QuickStop(Stop):
    """Nobody waits in a test; `cancel_after` waits somebody stops it."""

    def __init__(self, cancel_after: int | None = None) -> None:
        super().__init__()
        self._waits_left = cancel_after

    def wait(self, seconds: float) -> None:
        """Count."""
        assert seconds > 0
        if self._waits_left is not None:
            self._waits_left -= 1
            if self._waits_left <= 0:
                self.set()


@dataclass
class MoveStub:
    """SQS's move tasks, STS and the one row of the Log. Each look at a task moves 10 messages.

    Args:
        to_move: what the task says there were at its start; None where it does not say.
        visible: what the queue says.
        come_back: dead letters that are dead again, and that the task goes on moving.
    """

    to_move: int | None = 30
    visible: int = 0
    come_back: int = 0
    fails_with: str = ""
    unlisted: int = 0
    is_stuck: bool = False
    script: dict[str, AwsError] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)

    def respond(self, request: Request) -> Response:
        """Answer one call."""
        if b"Action=GetCallerIdentity" in request.body:
            return Response(200, _identity(), {"Content-Type": "text/xml"})
        service, _, operation = request.headers["x-amz-target"].partition(".")
        payload = json.loads(request.body)
        self.calls.append((operation, payload))
        try:
            if operation in self.script:
                raise self.script[operation]
            answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
                "GetQueueAttributes": self._attributes,
                "ListMessageMoveTasks": self._list,
                "StartMessageMoveTask": self._start,
                "CancelMessageMoveTask": self._cancel,
                "PutItem": self._put,
                "UpdateItem": self._update,
                "ReceiveMessage": self._receive,
                "ChangeMessageVisibilityBatch": lambda _: {"Successful": []},
            }
            body = json.dumps(answers[operation](payload)).encode()
        except AwsError as error:
            return error.response(service)
        return Response(200, body, {"Content-Type": "application/x-amz-json-1.0"})

    def called(self, operation: str) -> list[dict[str, Any]]:
        """Return the payloads of an operation's calls."""
        return [payload for name, payload in self.calls if name == operation]

    def _attributes(self, payload: dict[str, Any]) -> dict[str, Any]:
        found = {
            "QueueArn": DEAD_ARN if payload["QueueUrl"].endswith("dead") else LIVE_ARN,
            "ApproximateNumberOfMessages": str(self.visible),
            "ApproximateNumberOfMessagesNotVisible": "0",
        }
        return {"Attributes": {name: found[name] for name in payload["AttributeNames"] if name in found}}

    def _receive(self, payload: dict[str, Any]) -> dict[str, Any]:
        assert payload["QueueUrl"].endswith("dead")
        count = min(10, self.come_back)
        self.visible = self.come_back - count
        message = {"Body": "x", "MD5OfBody": "9dd4e461268c8034f5c8564e155c67a6", "Attributes": {}}
        return {
            "Messages": [{**message, "MessageId": f"m{n}", "ReceiptHandle": f"r{n}"} for n in range(count)]
        }

    def _list(self, payload: dict[str, Any]) -> dict[str, Any]:
        assert payload["SourceArn"] == DEAD_ARN
        running = [task for task in self.tasks if task["Status"] in ("RUNNING", "CANCELLING")]
        if running and self.unlisted:
            self.unlisted -= 1
            return {"Results": [task for task in self.tasks if task not in running]}
        for task in running if not self.is_stuck else []:
            self._go_on(task)
        return {"Results": list(reversed(self.tasks))}

    def _go_on(self, task: dict[str, Any]) -> None:
        task["ApproximateNumberOfMessagesMoved"] += 10
        if task["Status"] == "CANCELLING":
            task["Status"] = "CANCELLED"
        elif self.fails_with:
            task |= {"Status": "FAILED", "FailureReason": self.fails_with}
        elif task["ApproximateNumberOfMessagesMoved"] >= (self.to_move or 30) and not self.come_back:
            task["Status"] = "COMPLETED"
        if task["Status"] != "RUNNING":
            task.pop("TaskHandle", None)

    def _start(self, payload: dict[str, Any]) -> dict[str, Any]:
        number = len(self.tasks) + 1
        task = {
            "TaskHandle": f"handle-{number}",
            "Status": "RUNNING",
            "SourceArn": payload["SourceArn"],
            "DestinationArn": payload["DestinationArn"],
            "ApproximateNumberOfMessagesMoved": 0,
            "StartedTimestamp": 1_795_000_000_000 + number,
        }
        if self.to_move is not None:
            task["ApproximateNumberOfMessagesToMove"] = self.to_move
        self.tasks.append(task)
        return {"TaskHandle": task["TaskHandle"]}

    def _cancel(self, payload: dict[str, Any]) -> dict[str, Any]:
        task = next(t for t in self.tasks if t.get("TaskHandle") == payload["TaskHandle"])
        task["Status"] = "CANCELLING"
        return {"ApproximateNumberOfMessagesMoved": task["ApproximateNumberOfMessagesMoved"]}

    def _put(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.row = {name: next(iter(value.values())) for name, value in payload["Item"].items()}
        return {}

    def _update(self, payload: dict[str, Any]) -> dict[str, Any]:
        names = payload["ExpressionAttributeNames"]
        values = payload["ExpressionAttributeValues"]
        for name in names:
            self.row[names[name]] = next(iter(values[f":v{name[2:]}"].values()))
        return {}


def _identity() -> bytes:
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>{WHO}</Arn><UserId>U</UserId><Account>123456789012</Account>"
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    ).encode()


def run(stub: MoveStub, work: Callable[[Aws, Stack], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Do the work against the stub."""
    with LoopbackServer(stub.respond) as server:
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "NO_PROXY": "127.0.0.1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        queue = f"{server.url}/123456789012"
        return work(Aws(), Stack(f"{queue}/live", f"{queue}/dead", "Log"))


def test_all_dead_letters_are_moved_to_the_named_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task names its destination and rate, progress is told live, and the audit row says how many."""
    stub, seen = MoveStub(), list[Move]()

    move = run(
        stub,
        lambda aws, stack: redrive_all(aws, stack, rate_per_s=50, stop=QuickStop(), progress=seen.append),
        monkeypatch,
    )

    assert (move.status, move.moved) == ("COMPLETED", 30)
    assert [m.moved for m in seen] == [10, 20, 30]
    assert stub.called("StartMessageMoveTask") == [
        {"SourceArn": DEAD_ARN, "DestinationArn": LIVE_ARN, "MaxNumberOfMessagesPerSecond": 50}
    ]
    assert (stub.row["who"], stub.row["state"], stub.row["sent"]) == (WHO, "done", "30")
    assert json.loads(stub.row["selection"]) == {"all": True}


def test_a_stop_cancels_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the task is cancelled, once, and followed to its end."""
    stub = MoveStub(to_move=1_000)

    move = run(stub, lambda aws, stack: redrive_all(aws, stack, stop=QuickStop(cancel_after=2)), monkeypatch)

    assert move.status == "CANCELLED"
    assert stub.called("CancelMessageMoveTask") == [{"TaskHandle": "handle-1"}]
    assert stub.row["state"] == "stopped"


@pytest.mark.parametrize(
    ("to_move", "visible", "moved"),
    [(30, 0, 40), (30, 25, 40), (None, 30, 40), (None, 0, 20)],
)
def test_a_task_that_moves_what_came_back_is_cancelled(
    to_move: int | None, visible: int, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS would go on as long as dead letters come back: it ends when those of its start are moved."""
    stub = MoveStub(to_move=to_move, visible=visible, come_back=27)

    move = run(stub, lambda aws, stack: redrive_all(aws, stack, stop=QuickStop()), monkeypatch)

    assert stub.called("CancelMessageMoveTask") == [{"TaskHandle": "handle-1"}]
    assert (move.status, move.moved, move.came_back) == ("COMPLETED", moved, 27)
    assert (stub.row["state"], stub.row["came_back"]) == ("done", "27")
    assert "Came back, still failing, or arrived after the start: about 27." in moved_text(asdict(move))


def test_a_task_that_was_cancelled_as_it_ended_left_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the queue is empty after it, nothing came back."""
    stub = MoveStub(visible=3)  # an old count
    stub.come_back = 1

    def empty_it(move: Move) -> None:
        stub.come_back = 0 if move.status == "RUNNING" and move.moved >= 30 else stub.come_back

    move = run(
        stub, lambda aws, stack: redrive_all(aws, stack, stop=QuickStop(), progress=empty_it), monkeypatch
    )

    assert (move.status, move.came_back) == ("COMPLETED", 0)


def test_a_failed_task_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS's reason reaches the person and the audit row says `failed`."""
    stub = MoveStub(fails_with="AWS.SimpleQueueService.NonExistentQueue")

    move = run(stub, lambda aws, stack: redrive_all(aws, stack, stop=QuickStop()), monkeypatch)

    assert (move.status, move.failure) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
    assert stub.row["state"] == "failed"


def test_an_earlier_task_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """While SQS does not list the new task yet, an old one that completed says nothing about it."""
    stub = MoveStub(unlisted=2)
    stub._start({"SourceArn": DEAD_ARN, "DestinationArn": LIVE_ARN})
    stub.tasks[0] |= {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7}
    stub.tasks[0].pop("TaskHandle")

    move = run(stub, lambda aws, stack: redrive_all(aws, stack, stop=QuickStop()), monkeypatch)

    assert (move.status, move.moved) == ("COMPLETED", 30)


@pytest.mark.parametrize("status", ["RUNNING", "CANCELLING"])
@pytest.mark.parametrize("kind", ["all", "selection", "dry run"])
def test_a_redrive_is_refused_while_a_task_runs(
    status: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started, received or sent while a message move task runs."""
    stub = MoveStub(to_move=10**6)
    stub._start({"SourceArn": DEAD_ARN, "DestinationArn": LIVE_ARN})
    stub.is_stuck = True
    stub.tasks[0]["Status"] = status

    def work(aws: Aws, stack: Stack) -> None:
        if kind == "all":
            redrive_all(aws, stack, stop=QuickStop())
        else:
            Redrive(aws, stack, Selection(reason="rejected"), dry_run=kind == "dry run").run()

    with pytest.raises(Refused, match="message move task is running"):
        run(stub, work, monkeypatch)

    assert {name for name, _ in stub.calls} <= {"GetQueueAttributes", "ListMessageMoveTasks"}


def test_no_permission_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not allowed is named by its operation, and nothing was started."""
    stub = MoveStub(script={"StartMessageMoveTask": DENIED})

    with pytest.raises(SetupFault, match="AWS denied StartMessageMoveTask"):
        run(stub, lambda aws, stack: redrive_all(aws, stack, stop=QuickStop()), monkeypatch)

    assert stub.tasks == []
    assert stub.row["state"] == "failed"
