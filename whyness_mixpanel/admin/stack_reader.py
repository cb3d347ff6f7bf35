"""Edge: reads the stack for the admin, with bounds on what a page reads and on how long that takes."""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from botocore.exceptions import BotoCoreError

from whyness_mixpanel import conf
from whyness_mixpanel.admin import stack_clients
from whyness_ops import LogTable, OpsError, SetupFault, Stack

# Of each day, reason and shard (there are 16 shards): a page must not read a million rows.
ROWS_PER_SHARD = 100
# A server may give up on a request after 30 s; a query that began just before may take 10 s more.
_PAGE_S = 15

Row = dict[str, Any]
# A page shows these instead of its content: a setting is wrong, or AWS refuses or cannot be reached.
FAULTS = (OpsError, conf.SettingError)


class _Bounded:
    """A DynamoDB client for one page: a query of the index returns the newest ROWS_PER_SHARD rows at most.

    A month takes thousands of queries. After one that got no answer no other is tried, because each would
    last until its time-out. None starts after _PAGE_S.
    """

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb
        self._end_s = _now_s() + _PAGE_S
        self._fault: BotoCoreError | None = None
        self.is_cut = False

    def query(self, **arguments: Any) -> Mapping[str, Any]:
        """Return the first page of a query as if it were the only one."""
        if self._fault:
            raise self._fault
        if _now_s() >= self._end_s:
            raise SetupFault(f"The Log table took longer than {_PAGE_S} s. Ask for fewer days, or a reason.")
        try:
            answer = self._dynamodb.query(**arguments, Limit=ROWS_PER_SHARD, ScanIndexForward=False)
        except BotoCoreError as fault:
            self._fault = fault
            raise
        self.is_cut = self.is_cut or "LastEvaluatedKey" in answer
        return {"Items": answer["Items"]}


def read_rows(days: Sequence[date], reasons: Sequence[str]) -> tuple[list[Row], bool]:
    """Return the rows of `days`, newest first, and whether there are more than a page reads.

    Raises:
        SetupFault, SettingError: the Log table is not set, or cannot be reached.
    """
    name = conf.LOG_TABLE_NAME.require()
    bounded = _Bounded(stack_clients.shared().dynamodb)
    return LogTable(bounded, name).rows(days, reasons), bounded.is_cut


def read_row(pk: str) -> list[Row]:
    """Return the complete rows of an insert id.

    Raises:
        SetupFault, SettingError: as above.
    """
    name = conf.LOG_TABLE_NAME.require()
    return LogTable(stack_clients.shared().dynamodb, name).get(pk)


def read_stack() -> Stack:
    """Return what a redrive needs.

    Raises:
        SettingError: one of the three is not set, or not allowed.
    """
    name = conf.LOG_TABLE_NAME.require()
    return Stack(conf.QUEUE_URL.require(), conf.DEAD_LETTER_QUEUE_URL.require(), name)


def _now_s() -> float:
    return time.monotonic()
