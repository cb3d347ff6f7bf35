"""Edge: the Log table, by its index and by its key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from whyness_events.log_entry import REDRIVEN_AS, SHARDS, LogKey, to_dynamodb
from whyness_events.outcomes import LOG_REASONS, State
from whyness_ops.aws import error_code, explained
from whyness_ops.errors import SetupFault

INDEX = "by_day_reason"
_THREADS = 8
_REFUSED_CONDITION = "ConditionalCheckFailedException"

Row = dict[str, Any]


class LogTable:
    """The table `name`; rows are Python values.

    Raises:
        SetupFault: from each method, if DynamoDB refuses or cannot be reached.
    """

    def __init__(self, dynamodb: Any, name: str) -> None:
        if not name:
            raise SetupFault(
                "The Log table is not set. Give --stack, --env or --log-table, or set LOG_TABLE_NAME."
            )
        self._dynamodb = dynamodb
        self.name = name

    def rows(self, days: Sequence[date], reasons: Iterable[str] = LOG_REASONS) -> list[Row]:
        """Return the rows of the days, as the index projects them, newest first."""
        keys = [f"{day}#{reason}#{shard}" for day in days for reason in reasons for shard in range(SHARDS)]
        with ThreadPoolExecutor(_THREADS) as pool:
            rows = [row for rows in pool.map(self._query_index, keys) for row in rows]
        return sorted(rows, key=lambda row: str(row.get("gsi1sk", "")), reverse=True)

    def get(self, pk: str) -> list[Row]:
        """Return the complete rows of an insert id, or of another `pk`."""
        return list(
            self._query(KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}})
        )

    def put_new(self, item: Mapping[str, Any]) -> bool:
        """Add a row unless its key exists; return whether it was added."""
        with explained(f"Log table {self.name}"):
            try:
                self._dynamodb.put_item(
                    TableName=self.name,
                    Item=to_dynamodb(item),
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except ClientError as error:
                if error_code(error) != _REFUSED_CONDITION:
                    raise
                return False
        return True

    def update(self, key: LogKey, values: Mapping[str, Any]) -> None:
        """Set attributes of a row."""
        names = {f"#n{index}": name for index, name in enumerate(values)}
        with explained(f"Log table {self.name}"):
            self._dynamodb.update_item(
                TableName=self.name,
                Key=to_dynamodb({"pk": key.pk, "sk": key.sk}),
                UpdateExpression="SET " + ", ".join(f"{n} = :v{n[2:]}" for n in names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    f":v{index}": value for index, value in enumerate(to_dynamodb(values).values())
                },
            )

    def mark_edited(self, key: LogKey, edited: LogKey, *, dead_letter_message_id: str) -> bool:
        """Record in the row the event that is sent instead; see mark_redriven."""
        return self._mark_dead(key, {REDRIVEN_AS: str(edited)}, dead_letter_message_id)

    def mark_redriven(self, key: LogKey, *, dead_letter_message_id: str, now_ms: int) -> bool:
        """Set the row's state to `redriven`; return False only if the table could not be reached.

        Only a row that is `dead` and names this dead letter is changed: the event may have been delivered
        already, or have failed again. Neither is an error.
        """
        values = {"state": State.REDRIVEN, "redriven_at": now_ms}
        return self._mark_dead(key, values, dead_letter_message_id)

    def _mark_dead(self, key: LogKey, values: Mapping[str, Any], dead_letter_message_id: str) -> bool:
        names = {f"#n{index}": name for index, name in enumerate(values)}
        given = {f":v{index}": value for index, value in enumerate(values.values())}
        given |= {":dead": State.DEAD, ":id": dead_letter_message_id}
        try:
            self._dynamodb.update_item(
                TableName=self.name,
                Key=to_dynamodb({"pk": key.pk, "sk": key.sk}),
                UpdateExpression="SET " + ", ".join(f"{n} = :v{n[2:]}" for n in names),
                ConditionExpression="#state = :dead AND (attribute_not_exists(#id) OR #id = :id)",
                ExpressionAttributeNames={**names, "#state": "state", "#id": "dead_letter_message_id"},
                ExpressionAttributeValues=to_dynamodb(given),
            )
        except ClientError as error:
            return error_code(error) == _REFUSED_CONDITION
        except BotoCoreError:
            return False
        return True

    def _query_index(self, key: str) -> list[Row]:
        # `Select` is the index's own projection: the table itself is not read.
        return list(
            self._query(
                IndexName=INDEX,
                KeyConditionExpression="gsi1pk = :key",
                ExpressionAttributeValues={":key": {"S": key}},
            )
        )

    def _query(self, **arguments: Any) -> Iterator[Row]:
        with explained(f"Log table {self.name}"):
            while True:
                answer = self._dynamodb.query(TableName=self.name, **arguments)
                yield from map(_from_dynamodb, answer["Items"])
                if not (last := answer.get("LastEvaluatedKey")):
                    return
                arguments["ExclusiveStartKey"] = last


def last_days(count: int, now_ms: int) -> list[date]:
    """Return the last `count` days in UTC, today among them, newest first."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    return [today - timedelta(days=back) for back in range(count)]


def _from_dynamodb(item: Mapping[str, Mapping[str, Any]]) -> Row:
    return {n: _number(v["N"]) if "N" in v else v.get("S", "") for n, v in item.items()}


def _number(text: str) -> int | str:
    """Return an integer, or the text of another number: we write none, but others may."""
    try:
        return int(text)
    except ValueError:
        return text
