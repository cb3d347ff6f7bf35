"""Edge: what AWS and the sites say of a stack now, asked side by side; each fact is a value or `Unknown`."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from whyness_events.outcomes import DEAD_REASONS
from whyness_ops.aws import Aws, explained
from whyness_ops.dead_letter_queue import Depth, depth
from whyness_ops.errors import SetupFault
from whyness_ops.stack import Stack, described
from whyness_ops.watch.flow import KEPT_S, Flow
from whyness_ops.watch.gather import Unknown, gather
from whyness_ops.watch.log_poller import LogPoller

NOT_HERE = Unknown("not here")
# Of the metrics that say how old the oldest message is, and how many events died lately.
_AGE_MINUTES, _DEAD_HOURS = 15, 24
METRIC_COUNT = 2 + len(DEAD_REASONS)
_HEALTH_TIMEOUT_S, _HEALTH_MOST_BYTES = 5, 65_536


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that rings: its name without the stack's, and since when."""

    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed: CloudFormation's status, since when, and the tags that `make deploy` sets."""

    status: str
    at: datetime
    revision: str
    by: str


@dataclass(frozen=True, slots=True)
class Metrics:
    """What only CloudWatch's metrics tell.

    Args:
        queue_age_s, dead_age_s: age of the oldest message of the queue and of the dead-letter queue.
        dead: events that became dead letters in the last 24 hours, by reason; none without any.
    """

    queue_age_s: float
    dead_age_s: float
    dead: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that `status` shows.

    Args:
        outboxes: what each site's health view answers, by its URL.
    """

    flow: Flow | Unknown
    queue: Depth | Unknown
    dead_letters: Depth | Unknown
    metrics: Metrics | Unknown
    mapping: str | Unknown
    alarms: Sequence[Alarm] | Unknown
    deployment: Deployment | Unknown
    outboxes: Mapping[str, Mapping[str, Any] | Unknown]


def ask(aws: Aws, stack: Stack, health_urls: Sequence[str], now_ms: int) -> Facts:
    """Return the facts of a stack; the slowest answer decides how long it takes."""
    calls: dict[str, Callable[[], Any]] = {
        "flow": lambda: _flow(aws, stack, now_ms),
        "queue": lambda: depth(aws.sqs, stack.need("queue_url")),
        "dead_letters": lambda: depth(aws.sqs, stack.need("dead_letter_queue_url")),
    }
    of_aws: dict[str, Callable[[], Any]] = {
        "metrics": lambda: ask_metrics(aws, stack, datetime.fromtimestamp(now_ms / 1000, UTC)),
        "mapping": lambda: _mapping(aws, stack),
        "alarms": lambda: _alarms(aws, stack),
        "deployment": lambda: _deployment(aws, stack),
    }
    aws.open()
    found = gather(calls | ({} if stack.is_local else of_aws) | {url: _health(url) for url in health_urls})
    outboxes = {url: found.pop(url) for url in health_urls}
    return Facts(**dict.fromkeys(of_aws, NOT_HERE) | found, outboxes=outboxes)


def _flow(aws: Aws, stack: Stack, now_ms: int) -> Flow:
    flow = Flow()
    flow.add(LogPoller(aws.logs, stack.need("log_group"), now_ms - KEPT_S * 1000).poll())
    return flow


def _mapping(aws: Aws, stack: Stack) -> str:
    with explained("the event source mapping"):
        return str(aws.functions.get_event_source_mapping(UUID=stack.need("mapping_id"))["State"])


def _alarms(aws: Aws, stack: Stack) -> list[Alarm]:
    prefix = f"{_name(stack)}-"
    types = ["MetricAlarm", "CompositeAlarm"]
    with explained("the alarms"):
        pages = aws.cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=prefix, StateValue="ALARM", AlarmTypes=types
        )
        found = [alarm for page in pages for kind in types for alarm in page[f"{kind}s"]]
    # Emulators return those in other states, too.
    ring = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
    return [Alarm(alarm["AlarmName"].removeprefix(prefix), alarm["StateUpdatedTimestamp"]) for alarm in ring]


def _deployment(aws: Aws, stack: Stack) -> Deployment:
    found = described(aws.cloudformation, _name(stack))
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
    at = found.get("LastUpdatedTime") or found["CreationTime"]
    return Deployment(found["StackStatus"], at, tags.get("revision", ""), tags.get("deployed-by", ""))


def ask_metrics(aws: Aws, stack: Stack, now: datetime) -> Metrics:
    """Return what only CloudWatch's metrics tell; AWS bills METRIC_COUNT metrics for it."""
    service = {"service": stack.need("function")}
    queries = [
        oldest_message("queue", stack.queue_url),
        oldest_message("dead_age", stack.dead_letter_queue_url),
        *(_dead_events(f"r_{reason}", service | {"reason": str(reason)}) for reason in DEAD_REASONS),
    ]
    with explained("CloudWatch's metrics"):
        answer = aws.cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=now - timedelta(hours=_DEAD_HOURS), EndTime=now
        )
    newest = {result["Id"]: (result.get("Values") or [0.0])[0] for result in answer["MetricDataResults"]}
    dead = {str(reason): int(newest.get(f"r_{reason}", 0)) for reason in DEAD_REASONS}
    return Metrics(
        newest.get("queue", 0.0), newest.get("dead_age", 0.0), {r: n for r, n in dead.items() if n}
    )


def oldest_message(id_: str, queue_url: str) -> dict[str, Any]:
    """Return the query for the age of a queue's oldest message, in seconds."""
    dimensions = {"QueueName": queue_url.rpartition("/")[2]}
    metric = _metric("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions)
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 60 * _AGE_MINUTES, "Stat": "Maximum"}}


def _dead_events(id_: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    metric = _metric("Whyness", "Events", dimensions)
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 3600 * _DEAD_HOURS, "Stat": "Sum"}}


def _metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": named}


def _health(url: str) -> Callable[[], Mapping[str, Any]]:
    """Return the call that asks a site's health view, which answers 503 with its figures where it is ill."""

    def call() -> Mapping[str, Any]:
        try:
            with urllib.request.urlopen(url, timeout=_HEALTH_TIMEOUT_S) as answer:  # noqa: S310  (checked: http or https)
                found = json.loads(answer.read(_HEALTH_MOST_BYTES))
        except urllib.error.HTTPError as error:
            found = json.loads(error.read(_HEALTH_MOST_BYTES))
        except OSError as error:
            raise SetupFault(f"Cannot reach {url}: {error}. Check that the site is up.") from error
        if not isinstance(found, dict) or not isinstance(found.get("databases", {}), dict):
            raise SetupFault(f"{url} is not the health view. Check the URL.")
        return found

    return call


def _name(stack: Stack) -> str:
    if not stack.name:
        raise SetupFault("The stack's name is not known. Give --stack or --env.")
    return stack.name
