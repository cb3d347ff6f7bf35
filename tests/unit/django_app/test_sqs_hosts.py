"""Hosts of SQS: the region is read from each that AWS's own data knows, and boto3's own choice is told."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader
from django.core import checks

from tests.django_support import override
from whyness_mixpanel import sqs_hosts

QUEUE = "/123456789012/events"
LOADER = Loader()
PARTITIONS = LOADER.load_data("partitions")
ENDPOINTS = LOADER.load_data("endpoints")


def of_the_rule_set() -> Iterator[tuple[str, str]]:
    """Yield each host that botocore's rule set has for a region, with that region."""
    rules = EndpointProvider(
        LOADER.load_service_model("sqs", "endpoint-rule-set-1", "2012-11-05"), PARTITIONS
    )
    for partition in PARTITIONS["partitions"]:
        for region in partition["regions"]:
            if region.endswith("-global"):
                continue
            for options in ((False, False), (False, True), (True, False), (True, True)):
                found = rules.resolve_endpoint(Region=region, UseFIPS=options[0], UseDualStack=options[1])
                yield found.url.removeprefix("https://"), region


def legacy() -> Iterator[tuple[str, str]]:
    """Yield each host of the time before `sqs.`, which endpoints.json keeps as the certificates' names."""
    for partition in ENDPOINTS["partitions"]:
        service = partition["services"].get("sqs", {})
        for region, own in service.get("endpoints", {}).items():
            name = own.get("sslCommonName") or service.get("defaults", {}).get("sslCommonName")
            if name and not region.startswith("fips-"):
                yield name.format(region=region, dnsSuffix=partition["dnsSuffix"]), region


def test_aws_own_data_is_there() -> None:
    """An empty table would pass everything."""
    assert len(list(of_the_rule_set())) > 150
    assert ("queue.amazonaws.com", "us-east-1") in list(legacy())
    assert ("cn-north-1.queue.amazonaws.com.cn", "cn-north-1") in list(legacy())


@pytest.mark.parametrize(("host", "region"), sorted({*of_the_rule_set(), *legacy()}))
def test_the_region_is_read_from_each_host_of_aws(host: str, region: str) -> None:
    """Standard, FIPS, dual-stack and legacy hosts of every partition."""
    assert sqs_hosts.region_of(f"https://{host}{QUEUE}") == region


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("https://vpce-0a1b-2c3d-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com:443", "eu-west-1"),
        ("https://vpce-0a1b-2c3d.sqs-fips.us-gov-west-1.vpce.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-0a1b-2c3d.sqs.cn-north-1.vpce.amazonaws.com.cn", "cn-north-1"),
        ("http://sqs.eu-west-1.localhost.localstack.cloud:4566", "eu-west-1"),
        ("http://eu-west-1.queue.localhost.localstack.cloud:4566", "eu-west-1"),
        ("http://localhost:4566/queue/eu-west-1", "eu-west-1"),
        ("https://SQS.EU-WEST-1.amazonaws.com", "eu-west-1"),
        ("http://localhost:4566", None),
        ("http://127.0.0.1:9324", None),
        ("http://[::1]:9324", None),
        ("https://queue.example.org", None),
        ("https://sqs.example.org", None),
    ],
)
def test_the_region_is_read_where_it_is_legible(url: str, expected: str | None) -> None:
    """VPC endpoints and emulators; where there is none, nothing is guessed."""
    assert sqs_hosts.region_of(f"{url}{QUEUE}") == expected


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file of the machine's user; whoever asks a network fails."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def another_host(url: str, **chosen: object) -> list[checks.CheckMessage]:
    """Return what the system checks say of a queue's URL."""
    with override(BACKEND="sqs", QUEUE_URL=url, **chosen):
        found = checks.run_checks()
    return [message for message in found if message.id == "whyness_mixpanel.W010"]


IRELAND = "sqs.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("environment", "url", "called"),
    [
        ({}, f"https://{IRELAND}", None),
        ({}, f"https://{IRELAND}:443", None),
        ({}, "https://eu-west-1.queue.amazonaws.com", IRELAND),
        ({}, "https://queue.amazonaws.com", "sqs.us-east-1.amazonaws.com"),
        ({}, "https://sqs-fips.eu-west-1.amazonaws.com", IRELAND),
        ({}, "https://sqs.eu-west-1.api.aws", IRELAND),
        ({}, "https://vpce-0a1b.sqs.eu-west-1.vpce.amazonaws.com", IRELAND),
        ({}, "http://sqs.eu-west-1.localhost.localstack.cloud:4566", IRELAND),
        ({}, "https://sqs.cn-north-1.amazonaws.com", "sqs.cn-north-1.amazonaws.com.cn"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "https://sqs-fips.eu-west-1.amazonaws.com", None),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, f"https://{IRELAND}", "sqs-fips.eu-west-1.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://sqs.eu-west-1.api.aws", None),
        ({"AWS_ENDPOINT_URL_SQS": "https://sqs.eu-west-1.api.aws"}, "https://sqs.eu-west-1.api.aws", None),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, f"https://{IRELAND}", "127.0.0.1:4566"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            f"https://{IRELAND}",
            None,
        ),
        ({"AWS_DEFAULTS_MODE": "auto"}, "https://queue.amazonaws.com", "sqs.us-east-1.amazonaws.com"),
    ],
)
def test_it_is_told_when_boto3_calls_another_host_than_the_urls(
    environment: dict[str, str], url: str, called: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by its client's endpoint; the hint has the variable that makes it call the URL's."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    found = another_host(f"{url}{QUEUE}")

    assert [message.msg.split(",")[0] for message in found] == ([f"boto3 calls {called}"] if called else [])
    if called:
        assert f"AWS_ENDPOINT_URL_SQS to {url}." in str(found[0].hint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
        assert another_host(f"{url}{QUEUE}") == []


def test_a_file_of_boto3s_is_read_too(tmp_path: Path) -> None:
    """An endpoint may stand in ~/.aws/config."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\nendpoint_url = http://127.0.0.1:4566\n")

    assert "boto3 calls 127.0.0.1:4566" in another_host(f"https://{IRELAND}{QUEUE}")[0].msg


def test_a_url_without_a_region_needs_one() -> None:
    """The hint names REGION; with it, what boto3 calls is told."""
    url = f"http://localhost:4566{QUEUE}"

    (without,) = another_host(url)
    (with_region,) = another_host(url, REGION="eu-west-1")

    assert "REGION" in str(without.hint)
    assert with_region.msg.startswith(f"boto3 calls {IRELAND}, and not localhost:4566")


@pytest.mark.parametrize("environment", [{"AWS_PROFILE": "nobody"}, {"AWS_ENDPOINT_URL_SQS": "nonsense"}])
def test_what_boto3_cannot_read_is_a_warning_and_no_traceback(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its variables say, the site's commands run."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    (found,) = another_host(f"https://{IRELAND}{QUEUE}")

    assert "boto3 cannot tell" in found.msg
    assert "AWS_ENDPOINT_URL_SQS" in str(found.hint)
    with pytest.raises((BotoCoreError, ValueError)):
        sqs_hosts.called_host(f"https://{IRELAND}{QUEUE}", "eu-west-1")


def test_no_part_of_the_url_but_its_host_is_told() -> None:
    """A URL may have a password in it."""
    found = another_host(f"https://user:MARKER@vpce-1.sqs.eu-west-1.vpce.amazonaws.com{QUEUE}?x=MARKER")

    assert "MARKER" not in json.dumps([[message.msg, message.hint] for message in found])


def test_both_queues_are_looked_at() -> None:
    """mixpanel_forget and the admin ask the dead-letter queue."""
    (found,) = another_host(
        f"https://{IRELAND}{QUEUE}", DEAD_LETTER_QUEUE_URL=f"http://localhost:4566{QUEUE}"
    )

    assert found.msg.startswith(
        f"boto3 calls {IRELAND}, and not localhost:4566, the host of DEAD_LETTER_QUEUE_URL"
    )


@pytest.mark.parametrize("chosen", [{"ENABLED": False}, {"BACKEND": "console"}])
def test_where_nothing_goes_to_the_queue_nothing_is_told(chosen: dict[str, Any]) -> None:
    """A site in development has other hosts."""
    url = f"https://queue.amazonaws.com{QUEUE}"
    with override(**{"BACKEND": "sqs", "QUEUE_URL": url} | chosen):
        assert [message for message in checks.run_checks() if message.id == "whyness_mixpanel.W010"] == []
