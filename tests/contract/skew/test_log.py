from collections import Counter
from typing import Any

from tests.aws_stub import AwsStub
from tests.builders import make_record
from tests.contract.skew.golden import Recording, every_release
from tests.contract.skew.stack import Pile
from tests.integration.delivery.function import Function


def python_values(row: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return a row's attributes as Python has them."""
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in row.items()}


def day_of(release: Recording) -> str:
    """Return the day that all rows of a recording are of."""
    [day] = {str(row["gsi1pk"]["S"]).partition("#")[0] for row in release.log}
    return day


def test_rows_are_listed_counted_and_shown(pile: Pile) -> None:
    """Dead, waiting, redriven, delivered and about redrives: each in the list, in its count, and whole."""
    rows = [python_values(row) for row in pile.release.log]

    listed = pile.desk.ask("log", "list", "--day", day_of(pile.release))
    stats = pile.desk.ask("log", "stats", "--day", day_of(pile.release))
    shown = {str(row["pk"]): pile.log.get(str(row["pk"])) for row in rows}

    names = ("reason", "state", "event")
    assert {row["state"] for row in rows} == {"dead", "waiting", "redriven", "delivered", "done"}
    assert sorted(row["gsi1sk"] for row in listed) == sorted(row["gsi1sk"] for row in rows)
    counts = Counter(tuple(row.get(name, "") for name in names) for row in rows)
    assert {tuple(row[name] for name in names): row["count"] for row in stats} == counts
    for row in rows:
        [found] = shown[str(row["pk"])]
        changed = {name for name, value in row.items() if found[name] != value}
        assert changed <= {"dead_letter_message_id", "expires_at"}, row["pk"]


@every_release
def test_rows_of_redriven_messages_become_delivered(
    release: Recording, function: Function, aws: AwsStub
) -> None:
    """A message that the version redrove names the row that the version wrote, and may come twice."""
    message = release.messages["redriven"]
    for row in release.log:
        aws.rows[row["pk"]["S"], row["sk"]["S"]] = python_values(row)
    before = states(aws)

    for _ in range(2):
        function.invoke(make_record(message["body"], log_key=message["log_key"]))

    assert before[message["log_key"]] == "redriven"
    assert states(aws) == {**before, message["log_key"]: "delivered"}


def states(aws: AwsStub) -> dict[str, str]:
    """Return the state of each row, by its key."""
    return {f"{pk}/{sk}": row["state"] for (pk, sk), row in aws.rows.items()}
