"""What an operator does on a stack that is up, and what must be seen then."""

import re
import time
from collections import Counter
from typing import Any

from local.e2e.localstack import ROOT
from local.e2e.stack import Stack
from local.e2e.steps import Steps
from local.mishaps import MIXPANEL_MAX_ITEMS, make_mishaps
from whyness_ops.errors import Refused

_GOOD_IDS = [f"good-{number}" for number in range(20)]
_ACCEPTED_LATER = "raw-bad-5"  # of local.mishaps: the list that is too long for Mixpanel
_PATIENCE_S = 120.0
_ALARM_TRIES = 4
# The emulator says that a mapping is off while its poller still fills a last batch, for the batching window.
_LAST_BATCH_S = 12.0


def fill_secret(steps: Steps, stack: Stack, secret: str) -> None:
    """Fill in the credentials, which doctor misses before."""
    steps.begin("the secret is filled in")
    before = rows_of(stack, "doctor")["secret"]
    steps.see("doctor says that the secret is empty", is_so=before["verdict"] == "ill", found=before)
    stack.client("secretsmanager").put_secret_value(SecretId=stack.output("SecretArn"), SecretString=secret)
    after = rows_of(stack, "doctor")["secret"]
    steps.see("doctor says that it is filled", is_so=after["verdict"] == "well", found=after)


def send_good_and_bad(steps: Steps, stack: Stack) -> None:
    """Send good events by the command line, and raw messages of each kind of trouble."""
    steps.begin(f"{len(_GOOD_IDS)} good events, and raw messages with bad ones")
    file = stack.write_events("good.jsonl", *_GOOD_IDS)
    refused = stack.whyness_mixpanel("send", file)
    steps.see(
        "send is refused for prod without --yes", is_so=refused.status == Refused.exit_code, found=refused
    )
    sent = stack.whyness_mixpanel("send", file, "--yes")
    steps.see("send sends them with --yes", is_so=sent.status == 0, found=sent)
    stack.mixpanel.configure(max_items=MIXPANEL_MAX_ITEMS)
    mishaps = make_mishaps(time.time_ns() // 1_000_000)
    for body in (mishap.body for mishap in mishaps for _ in range(mishap.copies)):
        stack.client("sqs").send_message(QueueUrl=stack.output("QueueUrl"), MessageBody=body)
    dead = Counter(str(reason) for mishap in mishaps for reason in mishap.reasons)
    wanted = {*_GOOD_IDS, *(key.insert_id for mishap in mishaps for key in mishap.delivered)}
    steps.until(lambda: stack.arrived_ids() >= wanted, within_s=_PATIENCE_S)
    steps.see("all good events are at Mixpanel, none else", is_so=stack.arrived_ids() == wanted,
              found=stack.arrived_ids() ^ wanted)  # fmt: skip
    steps.until(lambda: stack.message_count("QueueUrl") == 0, within_s=_PATIENCE_S)
    steps.see("the queue is empty", is_so=stack.message_count("QueueUrl") == 0)
    listed = stack.whyness_mixpanel("dlq", "list", "--sample", "100")
    found = listed.found["sample"]["by_reason"]
    steps.see("dlq list has each bad one under its reason", is_so=found == dead, found=found)
    logged = Counter(row["reason"] for row in stack.whyness_mixpanel("log", "list").found)
    steps.see("log list says why, for each", is_so=logged == dead, found=logged)


def look(steps: Steps, stack: Stack, revision: str) -> None:
    """Look at the stack as it is after that."""
    steps.begin("status and doctor")
    status = stack.whyness_mixpanel("status").status
    steps.see("status ends with 1, for there are dead letters", is_so=status == 1, found=status)
    found = rows_of(stack, "status")
    for name, verdict in (
        ("delivery", "well"),
        ("queue", "well"),
        ("dead letters", "ill"),
        ("mapping", "well"),
    ):
        steps.see(f"status: {name} is {verdict}", is_so=found[name]["verdict"] == verdict, found=found[name])
    deployed = found["deployed"]
    steps.see(f"status: {revision} is deployed", is_so=revision in deployed["text"], found=deployed)
    checks = rows_of(stack, "doctor")
    unknown = {name: row["text"] for name, row in checks.items() if row["verdict"] == "unknown"}
    steps.see("doctor: each check gets an answer", is_so=not unknown, found=unknown)
    refusals = checks["refusals"]
    steps.see("doctor: it says what was refused", is_so="rejected" in refusals["text"], found=refusals)


def ring(steps: Steps, stack: Stack) -> None:
    """Set each alarm to ALARM: status must name it with a section of the runbook that exists."""
    cloudwatch = stack.client("cloudwatch")
    names = alarm_names(stack)
    steps.begin(f"each of the {len(names)} alarms rings, by SetAlarmState")
    sections = set(re.findall(r"^### (\S+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
    named: set[str] = set()
    for _ in range(_ALARM_TRIES):  # the emulator may judge an alarm anew in between
        for name in names - named:
            cloudwatch.set_alarm_state(
                AlarmName=f"{stack.name}-{name}", StateValue="ALARM", StateReason="proof"
            )
        named |= ringing(rows_of(stack, "status")["alarms"]) & sections
        if named >= names:
            break
    steps.see("status names each, with its section of the runbook", is_so=named >= names, found=names - named)
    for name in names:
        cloudwatch.set_alarm_state(AlarmName=f"{stack.name}-{name}", StateValue="OK", StateReason="proof")


def redrive(steps: Steps, stack: Stack) -> None:
    """Put Mixpanel right and redrive: what can be delivered is; the rest comes back."""
    steps.begin("Mixpanel takes longer lists again: redrive")
    stack.mixpanel.configure(max_items=255)
    dead_count = stack.message_count("DeadLetterQueueUrl")
    one = stack.whyness_mixpanel("redrive", "--insert-id", _ACCEPTED_LATER)
    steps.see(
        "redrive sends the one dead letter", is_so=one.status == 0 and one.found["sent"] == 1, found=one
    )
    arrived = steps.until(lambda: _ACCEPTED_LATER in stack.arrived_ids(), within_s=_PATIENCE_S)
    steps.see("its event is at Mixpanel", is_so=arrived)
    delivered = steps.until(
        lambda: stack.whyness_mixpanel("log", "show", _ACCEPTED_LATER).found[0].get("state") == "delivered",
        within_s=_PATIENCE_S,
    )
    steps.see("log show says that it was delivered", is_so=delivered)
    moved = stack.whyness_mixpanel("redrive", "--all")
    steps.see("redrive --all moves all others", is_so=moved.found["moved"] == dead_count - 1, found=moved)
    back = steps.until(
        lambda: (
            stack.message_count("QueueUrl") == 0
            and stack.message_count("DeadLetterQueueUrl") == dead_count - 1
        ),
        within_s=_PATIENCE_S,
    )
    steps.see("they are dead letters again, none more or less", is_so=back)


def probe(steps: Steps, stack: Stack) -> None:
    """Follow one event to Mixpanel."""
    steps.begin("send --probe")
    followed = stack.whyness_mixpanel(
        "send", stack.write_events("probe.jsonl", "probe-1"), "--probe", "--yes"
    )
    is_so = followed.status == 0 and followed.found["state"] == "delivered"
    steps.see("it follows the event to Mixpanel", is_so=is_so, found=followed)


def pause(steps: Steps, stack: Stack) -> None:
    """Switch the mapping off: an event waits."""
    steps.begin("pause")
    paused = stack.whyness_mixpanel("pause")
    is_so = paused.status == 0 and paused.found["state"] == "Disabled" and paused.found["kept_until"]
    steps.see("the mapping is off", is_so=bool(is_so), found=paused)
    steps.until(lambda: False, within_s=_LAST_BATCH_S)
    stack.whyness_mixpanel("send", stack.write_events("waits.jsonl", "waits-1"), "--yes")
    mapping = rows_of(stack, "status")["mapping"]
    steps.see("status says that nothing is sent", is_so=mapping["verdict"] == "ill", found=mapping)
    arrived = steps.until(lambda: "waits-1" in stack.arrived_ids(), within_s=10)
    steps.see("the event waits in the queue", is_so=not arrived and stack.message_count("QueueUrl") == 1)


def resume(steps: Steps, stack: Stack) -> None:
    """Switch it on: the event arrives."""
    steps.begin("resume")
    resumed = stack.whyness_mixpanel("resume")
    steps.see("the mapping is on", is_so=resumed.status == 0, found=resumed)
    arrived = steps.until(lambda: "waits-1" in stack.arrived_ids(), within_s=_PATIENCE_S)
    steps.see("the event that waited is at Mixpanel", is_so=arrived)


def rows_of(stack: Stack, command: str) -> dict[str, dict[str, Any]]:
    """Return the rows of `status` or `doctor` by their names."""
    found = stack.whyness_mixpanel(command).found
    rows = found["rows"] if isinstance(found, dict) else found
    return {row["name"]: row for row in rows}


def ringing(row: dict[str, Any]) -> set[str]:
    """Return the alarms that the row of `status` names in its text and in what to do, both."""
    told = {part.partition(" since ")[0] for part in row["text"].split("; ")}
    return told & set(re.findall(r"docs/runbook\.md#(\S+)", row["do"]))


def alarm_names(stack: Stack) -> set[str]:
    """Return the alarms of the stack without its name, metric and composite ones."""
    kinds = ["MetricAlarm", "CompositeAlarm"]
    pages = (
        stack.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"{stack.name}-", AlarmTypes=kinds)
    )
    found = [alarm["AlarmName"] for page in pages for kind in kinds for alarm in page[f"{kind}s"]]
    return {name.removeprefix(f"{stack.name}-") for name in found}
