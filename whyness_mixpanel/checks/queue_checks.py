"""Checks of the queue: its URL, its region, and the host that boto3 calls for it."""

from collections.abc import Iterator

from whyness_mixpanel import conf, sqs_hosts
from whyness_mixpanel.checks.problem import Problem


def region_differs() -> Iterator[Problem]:
    """`REGION` is not the region that `QUEUE_URL` names."""
    named, region = sqs_hosts.region_of(conf.QUEUE_URL.get()), conf.region()
    if named and named != region:
        yield Problem(
            f"REGION is {region}, but the queue of QUEUE_URL is in {named}.",
            f'Remove REGION, or set it to "{named}".',
        )


def no_queue() -> Iterator[Problem]:
    """`QUEUE_URL` is not set, so events stay in the outbox."""
    if conf.ENABLED.get() and conf.BACKEND.get() == "sqs" and not conf.QUEUE_URL.get():
        yield Problem(
            "QUEUE_URL is not set, so events stay in the outbox and are not published.",
            f"Set QUEUE_URL in {conf.DICT_NAME}, or {conf.QUEUE_URL.environment} in the environment, "
            "to the stack's output QueueUrl.",
        )


def other_host_called() -> Iterator[Problem]:
    """boto3 calls another host than the one in a queue's URL, or cannot tell which host to call."""
    if not conf.ENABLED.get() or conf.BACKEND.get() != "sqs":
        return
    for setting in (conf.QUEUE_URL, conf.DEAD_LETTER_QUEUE_URL):
        if setting.get():
            yield from _other_host_called(setting.key, setting.get())


def _other_host_called(key: str, queue_url: str) -> Iterator[Problem]:
    named = sqs_hosts.host_of(queue_url)
    region = conf.REGION.get() or sqs_hosts.region_of(queue_url) or conf.region()
    try:
        called = sqs_hosts.called_host(queue_url, region)
    except Exception as error:  # noqa: BLE001  (whatever boto3 raises about its own variables and files)
        yield Problem(
            f"boto3 cannot tell which host to call for {key} ({type(error).__name__}).",
            "Check boto3's variables and files (AWS_PROFILE, AWS_ENDPOINT_URL_SQS, ~/.aws/config)."
            if region
            else f"Set REGION in {conf.DICT_NAME}: the host {named} does not name a region.",
        )
        return
    if called != named:
        yield Problem(
            f"boto3 calls {called}, and not {named}, the host of {key}. It chooses the host by the region "
            "and by variables and files of its own.",
            f"To call {named}, set the environment variable AWS_ENDPOINT_URL_SQS to "
            f"{sqs_hosts.origin_of(queue_url)}. If {called} is right, use it in {key}.",
        )
