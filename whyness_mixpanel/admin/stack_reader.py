"""Edge: the stack as the admin asks it: settings, and a bound on what a page reads and how long it takes."""

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
# What a page says instead of what it would show: every way of being misconfigured or cut off.
FAULTS = (OpsError, conf.SettingError)


class _Bounded:
    """A DynamoDB client for one page: queries of the index return the newest ROWS_PER_SHARD and no more.

    A month is thousands of queries. Where one of them got no answer no other is tried, for each would take
    all of its time-outs; and none begins after _PAGE_S.
    """

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb
        self._end_s = _now_s() + _PAGE_S
        self._fault: BotoCoreError | None = None
        self.is_cut = False

    def query(self, **arguments: Any) -> Mapping[str, Any]:
        """Return one page of a query, and say that there is no other."""
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
        SetupFault, SettingError: the Log table is not named, or cannot be asked.
    """
    name = conf.LOG_TABLE_NAME.require()
    bounded = _Bounded(stack_clients.shared().dynamodb)
    return LogTable(bounded, name).rows(days, reasons), bounded.is_cut


def read_row(pk: str) -> list[Row]:
    """Return the whole rows of an insert id.

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
