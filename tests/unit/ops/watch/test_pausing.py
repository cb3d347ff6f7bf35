"""`pause` and `resume`."""

from types import SimpleNamespace
from typing import Any

import pytest

from whyness_ops.cli import main
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop
from whyness_ops.watch import pausing

STACK = Stack("https://sqs/1/s-events", mapping_id="u", name="s")


def use(monkeypatch: pytest.MonkeyPatch, states: list[str], *, age_s: float | None = None) -> list[Any]:
    """Let the mapping go through these states; return the list of what it is asked to be."""
    asked: list[Any] = []
    coming = iter(states)

    def update(*, UUID: str, Enabled: bool) -> dict[str, str]:  # noqa: N803  (boto3's names)
        asked.append((UUID, Enabled))
        return {"State": next(coming)}

    counts = {"ApproximateNumberOfMessages": "7", "ApproximateNumberOfMessagesNotVisible": "2"}
    attributes = {**counts, "MessageRetentionPeriod": "1209600"}
    ages = {"MetricDataResults": [{"Id": "oldest", "Values": [] if age_s is None else [age_s]}]}
    aws = SimpleNamespace(
        functions=SimpleNamespace(
            update_event_source_mapping=update,
            get_event_source_mapping=lambda **_: {"State": next(coming)},
        ),
        sqs=SimpleNamespace(get_queue_attributes=lambda **_: {"Attributes": attributes}),
        cloudwatch=SimpleNamespace(get_metric_data=lambda **_: ages),
    )
    monkeypatch.setattr(pausing, "connect", lambda _: (aws, STACK))
    monkeypatch.setattr(Stop, "wait", lambda *_: None)
    return asked


def test_pause_waits_for_lambda_and_says_how_long_events_are_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what waits, and until when SQS keeps the oldest of it."""
    asked = use(monkeypatch, ["Disabling", "Disabling", "Disabled"], age_s=3 * 86_400)

    code = main(["pause"])

    out = capsys.readouterr().out
    assert (code, asked) == (0, [("u", False)])
    assert "is disabled. In the queue: 7 waiting, 2 hidden." in out
    assert "SQS keeps the oldest of them until 20" in out


def test_resume_enables_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And says nothing of a last day."""
    asked = use(monkeypatch, ["Enabling", "Enabled"])

    assert main(["resume"]) == 0
    assert asked == [("u", True)]
    assert "until" not in capsys.readouterr().out


def test_a_mapping_that_does_not_get_there_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After two minutes, by its state and the exit code."""
    use(monkeypatch, ["Disabling"] * 100)

    assert main(["pause"]) == 1
    assert "is disabling" in capsys.readouterr().out


def test_the_demo_cannot_be_paused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no mapping; the sentence says what stops it."""
    monkeypatch.setattr(pausing, "connect", lambda _: (None, Stack(is_local=True)))

    assert main(["pause"]) == 4
    assert "End the demo to stop it" in capsys.readouterr().err
