"""An emulated stack that holds what a version left there."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import boto3
import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.builders import make_record
from tests.contract.record_golden import bury
from tests.contract.skew.golden import Recording
from tests.integration.delivery.function import ACCOUNT, PASSWORD, PROJECT_ID, Function, recent_event
from tests.integration.ops.conftest import Desk
from whyness_events.log_entry import LogKey
from whyness_ops import (
    Aws,
    DeadLetterQueue,
    LogTable,
    Redrive,
    Redriven,
    Selection,
    Stack,
    Stop,
    find_dead_letter,
    show,
)


@dataclass(frozen=True)
class Pile:
    """Dead letters and rows.

    Args:
        release: whose they are.
        desk: where they are.
        names: of the dead letters, by their ids in the queue.
    """

    release: Recording
    desk: Desk
    names: dict[str, str]

    @classmethod
    def of(cls, release: Recording, desk: Desk) -> Self:
        """Send the dead letters, and put the rows, which do not expire soon, with the queue's ids."""
        url = desk.resources.dead_letter_queue_url
        dead_letters = {name: dead_letter["message"] for name, dead_letter in release.dead_letters.items()}
        names = {bury(desk.sqs, url, dead_letter): name for name, dead_letter in dead_letters.items()}
        new_ids = {dead_letters[name]["MessageId"]: id_ for id_, name in names.items()}
        for row in release.log:
            old_id = row.get("dead_letter_message_id", {"S": ""})["S"]
            item = {**row, "expires_at": {"N": str(int(time.time()) + 86_400)}}
            if old_id in new_ids:
                item["dead_letter_message_id"] = {"S": new_ids[old_id]}
            desk.dynamodb.put_item(TableName=desk.resources.log_table_name, Item=item)
        return cls(release, desk, names)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name the stack."""
        return environment_of(self.desk)

    @property
    def log(self) -> LogTable:
        """The table."""
        return LogTable(self.desk.dynamodb, self.desk.resources.log_table_name)

    def states(self) -> dict[str, str]:
        """Return the state of each row, by its key."""
        rows: list[Any] = self.desk.dynamodb.scan(TableName=self.desk.resources.log_table_name)["Items"]
        return {f"{row['pk']['S']}/{row['sk']['S']}": row["state"]["S"] for row in rows}

    def show(self, message_id: str) -> dict[str, Any]:
        """Return all that is known about a dead letter."""
        queue = DeadLetterQueue(self.desk.sqs, self.desk.resources.dead_letter_queue_url)
        return show(find_dead_letter(queue, message_id=message_id, stop=Stop()), self.log)

    def try_edit(self, edit: Callable[[Any], Any]) -> Redriven:
        """Return what a redrive of all dead letters with `edit` would do."""
        resources = self.desk.resources
        stack = Stack(resources.queue_url, resources.dead_letter_queue_url, resources.log_table_name)
        return Redrive(Aws(), stack, Selection(limit=len(self.names)), edit=edit, dry_run=True).run()


def environment_of(desk: Desk) -> dict[str, str]:
    """Return the variables that name the stack."""
    return {
        **desk.account.environment,
        "QUEUE_URL": desk.resources.queue_url,
        "DEAD_LETTER_QUEUE_URL": desk.resources.dead_letter_queue_url,
        "LOG_TABLE_NAME": desk.resources.log_table_name,
    }


def function_on(
    desk: Desk,
    mixpanel: MixpanelSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Function:
    """Return the function as deployed with this stack, its clients made.

    To make one takes a busy machine longer than the function waits for rows.
    """
    environment = {
        **environment_of(desk),
        "MIXPANEL_PROJECT_ID": PROJECT_ID,
        "MIXPANEL_API_URL": mixpanel.url,
        "MIXPANEL_SERVICE_ACCOUNT": ACCOUNT,
        "MIXPANEL_SERVICE_PASSWORD": PASSWORD,
    }
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would keep the credentials of another test
    function = Function(monkeypatch, capsys, environment)
    function.invoke(make_record(recent_event(), log_key=str(LogKey("nobody", "0" * 16))))
    mixpanel.reset()
    return function
