"""Edge: the stack as the admin asks it: settings, short time-outs, and a bound on what a page reads."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from whyness_mixpanel import conf
from whyness_ops import Aws, LogTable, OpsError, SetupFault, Stack
from whyness_ops.aws import explained

# Of each day, reason and shard (there are 16 shards): a page must not read a million rows.
ROWS_PER_SHARD = 100
# A person waits: two attempts of these, at worst.
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 5
_ATTEMPT_COUNT = 2

Row = dict[str, Any]
# What a page says instead of what it would show: every way of being misconfigured or cut off.
FAULTS = (OpsError, conf.SettingError)


class AdminAws(Aws):
    """Clients that give up while a person still waits; credentials and endpoints are boto3's own affair."""

    def __init__(self) -> None:
        super().__init__(region=conf.region())

    def _client(self, service: str) -> Any:
        import boto3  # noqa: PLC0415  (not at the start of every process of the site)
        from botocore.config import Config  # noqa: PLC0415  (as above)

        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPT_COUNT},
            max_pool_connections=16,
        )
        with explained(service):
            try:
                return boto3.session.Session().client(service, region_name=conf.region(), config=config)
            except ValueError as error:
                raise SetupFault("The endpoint or the region is none: see AWS_ENDPOINT_URL.") from error


class _Bounded:
    """A DynamoDB client whose queries of the index return the newest ROWS_PER_SHARD and no more."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb
        self.is_cut = False

    def query(self, **arguments: Any) -> Mapping[str, Any]:
        """Return one page of a query, and say that there is no other."""
        if "IndexName" not in arguments:
            return dict(self._dynamodb.query(**arguments))
        answer = self._dynamodb.query(**arguments, Limit=ROWS_PER_SHARD, ScanIndexForward=False)
        self.is_cut = self.is_cut or "LastEvaluatedKey" in answer
        return {"Items": answer["Items"]}


def read_rows(days: Sequence[date], reasons: Sequence[str]) -> tuple[list[Row], bool]:
    """Return the rows of `days`, newest first, and whether there are more than a page reads.

    Raises:
        SetupFault, SettingError: the Log table is not named, or cannot be asked.
    """
    name = _table_name()
    bounded = _Bounded(AdminAws().dynamodb)
    return LogTable(bounded, name).rows(days, reasons), bounded.is_cut


def read_row(pk: str) -> list[Row]:
    """Return the whole rows of an insert id.

    Raises:
        SetupFault, SettingError: as above.
    """
    name = _table_name()
    return LogTable(AdminAws().dynamodb, name).get(pk)


def read_stack() -> Stack:
    """Return what a redrive needs.

    Raises:
        SetupFault, SettingError: one of the three is not set.
    """
    stack = Stack(conf.QUEUE_URL.get(), conf.DEAD_LETTER_QUEUE_URL.get(), _table_name())
    for value, setting in (
        (stack.queue_url, conf.QUEUE_URL),
        (stack.dead_letter_queue_url, conf.DEAD_LETTER_QUEUE_URL),
    ):
        if not value:
            raise _not_set(setting)
    return stack


def _table_name() -> str:
    name = conf.LOG_TABLE_NAME.get()
    if not name:
        raise _not_set(conf.LOG_TABLE_NAME)
    return name


def _not_set(setting: conf.Setting[str]) -> SetupFault:
    return SetupFault(
        f"{setting.key} is not set. Set it in {conf.DICT_NAME}, or {setting.environment} in the environment, "
        "to the stack's output."
    )
