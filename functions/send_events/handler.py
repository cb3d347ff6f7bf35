"""Composition root of the Lambda: settings and clients once per container, then `handler`.

The response never acknowledges a record by accident: it names every record that is not known to be safe. If
there can be no such response, the handler raises, and every record returns to the queue.
"""

import logging
import os
import random
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import PurePath
from typing import Any

from aws_lambda_powertools import Logger
from msgspec import Struct

from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.aws.dead_letter_queue import SqsDeadLetterQueue
from whyness_events.delivery.aws.log_table import DynamoDbLog
from whyness_events.delivery.aws.secret import SecretCredentials
from whyness_events.delivery.aws.source_queue import SqsSourceQueue
from whyness_events.delivery.clock import SystemClock
from whyness_events.delivery.deliver import Deliverer
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.describers import DESCRIBERS
from whyness_events.delivery.mixpanel.service_account import Credentials, FixedCredentials
from whyness_events.delivery.mixpanel.transport.client import MixpanelPool
from whyness_events.delivery.reading.sqs_event import InvocationFault, read_records
from whyness_events.delivery.settings import Settings, SettingsFault, read_revision, read_settings
from whyness_events.delivery.settling.exhaust import Patience
from whyness_events.delivery.settling.redelivery import Redelivery
from whyness_events.delivery.settling.settlement import Settled
from whyness_events.delivery.telemetry import emit, log_fields
from whyness_events.outcomes import Outcome, Reason

# Part of the invocation's time that is kept for responding to Lambda.
_RESPONSE_PART = 0.02

logger = Logger(service="send_events")
clock = SystemClock()

# At DEBUG these libraries log what they send: events and credentials.
for _library in ("botocore", "boto3", "urllib3", "requests", "aws_lambda_powertools"):
    logging.getLogger(_library).setLevel(logging.WARNING)


class Container(Struct, frozen=True):
    """What a container keeps between invocations: the deliverer, and the clients to close after each."""

    deliverer: Deliverer
    pool: MixpanelPool
    aws: Sequence[LazyClient] = ()


class _InvocationEnd(Struct):
    """When the current invocation must end, in seconds of the monotonic clock."""

    at_s: float = 0.0

    def left_s(self) -> float:
        return self.at_s - clock.monotonic_s()


invocation_end = _InvocationEnd()


def handler(event: Any, context: Any) -> dict[str, list[dict[str, str]]]:
    """Deliver the events of an SQS event; return its partial batch response.

    Raises:
        InvocationFault: the event is not an SQS event, or a bug was met; Lambda then retries every record.
    """
    remaining_s = context.get_remaining_time_in_millis() / 1000
    invocation_end.at_s = deadline_s = clock.monotonic_s() + remaining_s * (1 - _RESPONSE_PART)
    records = read_records(event)
    try:
        report = container().deliverer.deliver(records, run_id=context.aws_request_id, deadline_s=deadline_s)
    except SettingsFault as fault:
        report = _all_waiting(records, str(fault))
    except Exception as bug:  # noqa: BLE001  (raised again, without the text that may hold payload)
        raise InvocationFault(f"internal fault: {_where(bug)}") from None
    finally:
        if container.cache_info().currsize:
            _end_invocation(container(), context)
    _log(report, context)
    failed_ids = dict.fromkeys(report.settled.failed_message_ids)  # SQS may repeat a message in a batch
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed_ids]}


@lru_cache(maxsize=1)
def container() -> Container:
    """Return this container's parts, built at the first invocation with valid settings.

    Raises:
        SettingsFault: a setting is missing or invalid.
    """
    return build(read_settings(os.environ))


def build(settings: Settings) -> Container:
    """Build the container's parts."""
    rng = random.Random()  # noqa: S311  (jitter)
    aws = sqs, dynamodb, secrets_manager = [*map(LazyClient, ("sqs", "dynamodb", "secretsmanager"))]
    pool = MixpanelPool(settings.api_url, settings.project_id, _credentials(settings, secrets_manager))
    queue = SqsSourceQueue(settings.queue_url, sqs, clock)
    deliverer = Deliverer(
        pool=pool,
        dead_letters=SqsDeadLetterQueue(settings.dead_letter_queue_url, sqs, clock),
        log=DynamoDbLog(settings.log_table_name, dynamodb, clock),
        redelivery=Redelivery(queue, rng, settings.redelivery_base_s, settings.redelivery_cap_s),
        clock=clock,
        rng=rng,
        describe_useragent=DESCRIBERS[settings.names],
        default_identity=settings.identity,
        threads=settings.sender_threads,
        answer_timeout_s=settings.answer_timeout_s,
        patience=Patience(settings.exhaust_after_s, settings.max_receive_count),
        breaker_s=settings.breaker_s,
    )
    return Container(deliverer, pool, aws)


def _credentials(settings: Settings, secrets_manager: LazyClient) -> Credentials:
    if settings.secret_arn:
        return SecretCredentials(settings.secret_arn, secrets_manager, clock, invocation_end.left_s)
    return FixedCredentials(settings.account, settings.password)


def _all_waiting(records: Sequence[Record], detail: str) -> Report:
    failed = [record.message_id for record in records]
    report = Report(outcomes=Counter({Reason.SETUP: len(records)}), settled=Settled(failed))
    for message_id in failed:
        report.note(Outcome(Reason.SETUP, detail), message_id)
    return report


def _where(bug: Exception) -> str:
    """Return the type and place of a bug, without its message, which may quote an event."""
    last = traceback.extract_tb(bug.__traceback__)[-1]
    return f"{type(bug).__name__} at {PurePath(last.filename).name}:{last.lineno}"


def _end_invocation(parts: Container, context: Any) -> None:
    """Close what a freeze of the container would break, and log what AWS refused; also after a bug."""
    parts.pool.abandon_all()
    for refusal in [refusal for client in parts.aws for refusal in client.end_invocation()]:
        logger.warning(
            "aws refused",
            request_id=context.aws_request_id,
            aws_service=refusal.service,
            operation=refusal.operation,
            code=", ".join(refusal.codes),
            aws_request_id=refusal.aws_request_id,
            count=refusal.count,
        )


def _log(report: Report, context: Any) -> None:
    fields = log_fields(report, context.aws_request_id, read_revision(os.environ))
    logger.info("invocation", **fields)
    for reason, examples in report.examples.items():
        write = logger.info if reason is Reason.EARLY else logger.warning
        write(
            "not delivered",
            request_id=context.aws_request_id,
            reason=str(reason),
            detail=report.details[reason],
            http_status=report.http_statuses[reason],
            message_ids=examples.message_ids,
            insert_ids=examples.insert_ids,
        )
    emit(report, service=context.function_name)


def warm_up(environ: Mapping[str, str]) -> None:
    """Load what the first invocation needs: Lambda gives a whole CPU during initialization, less later."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" not in environ:  # set by Lambda, not by tests and benchmarks
        return
    if describe := DESCRIBERS.get(environ.get("MIXPANEL_NAMES", "").strip() or "uap"):
        describe("any")
    if environ.get("MIXPANEL_SECRET_ARN"):
        import_module("boto3")


warm_up(os.environ)
