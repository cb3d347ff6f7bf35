"""Small functions that do what a handler may do, well or badly. The Lambda runtime runs them, not pytest."""

import os
import time
from typing import Any

Event = dict[str, Any]


def echo(event: Event, context: Any) -> Event:
    """Return the event and facts about the environment."""
    return {
        "event": event,
        "pid": os.getpid(),
        "remaining_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
    }


def settle(event: Event, _context: Any) -> Event:
    """Fail each record whose body begins with "bad"."""
    failed = [record["messageId"] for record in event["Records"] if record["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}


def obey(event: Event, _context: Any) -> Any:
    """Do what the (first record's) body says."""
    order = event["Records"][0]["body"] if "Records" in event else event["order"]
    match order:
        case "raise":
            raise ValueError("as ordered")
        case "sleep":
            time.sleep(60)
        case "exit":
            os._exit(3)
        case "garbage":
            return {"batchItemFailures": [{"itemIdentifier": "nobody"}]}
        case "unserialisable":
            return object()
        case "seven megabytes":
            return "x" * 7_000_000
        case "pid":
            return os.getpid()
    return None


def slow(event: Event, _context: Any) -> None:
    """Take a second, and leave a file per record, so that overlapping calls can be seen."""
    for record in event["Records"]:
        with open(os.path.join(os.environ["TRACE_DIR"], record["messageId"]), "w") as trace:  # noqa: PTH118, PTH123
            trace.write(f"{os.getpid()} {time.time()}")
    time.sleep(1)
