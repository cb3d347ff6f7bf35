import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from tests.django_support import override
from tests.loopback import LoopbackServer, Request, Response, Trouble
from whyness_mixpanel.admin import stack_clients, stack_reader

ROOT = Path(__file__).parents[4]
FAILURES = "/admin/whyness_mixpanel/deliveryfailure/"
NAMED = {
    "LOG_TABLE_NAME": "Log",
    "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/events",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/dead",
}


@pytest.fixture(autouse=True)
def aws_of_this_test(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001  (it sets Django up)
    """Nothing of this machine's AWS set-up, no client of another test, and time-outs for tests."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(stack_clients, "_made", None)
    monkeypatch.setattr(stack_clients, "_READ_TIMEOUT_S", 0.2)
    with override(REGION="eu-west-1", **NAMED):
        yield


@pytest.fixture
def browser() -> Iterator[Client]:
    """Somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create(username="ada", is_staff=True, is_superuser=True))
    with override_settings(ROOT_URLCONF="tests.admin_urls"):
        yield client


def test_a_table_that_never_answers_is_asked_a_few_times_and_named(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of failures is thousands of queries: each must not take its time-outs after the others."""
    asked: list[Request] = []

    def swallow(request: Request) -> Trouble:
        asked.append(request)
        return Trouble.HANG

    with LoopbackServer(swallow) as black_hole:
        monkeypatch.setenv("AWS_ENDPOINT_URL", black_hole.url)

        listed = browser.get(FAILURES, {"period": "30"})
        asked_for_the_list = len(asked)
        others = [browser.get(FAILURES + more) for more in ("?insert_id=1", "row/?pk=1&sk=2")]
        sent = browser.post(FAILURES + "redrive/", {"key": "1/" + "a" * 16, "confirmed": "1"})

    assert asked_for_the_list <= 8 * 2  # eight at once, two attempts each
    for page in (listed, *others, sent):
        assert page.status_code == 200
        assert "Read timeout on endpoint URL" in page.content.decode()
    assert "Sending stopped before any event was confirmed" in sent.content.decode()


def test_a_table_that_is_slow_is_given_up_in_time(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says what to ask for instead, before the site's server gives up on it."""
    now_s = [0.0]
    monkeypatch.setattr(stack_reader, "_now_s", lambda: now_s[0])

    def take_a_second(_: Request) -> Response:
        now_s[0] += 1
        return Response(body=b'{"Items":[]}')

    with LoopbackServer(take_a_second) as table:
        monkeypatch.setenv("AWS_ENDPOINT_URL", table.url)

        page = browser.get(FAILURES)

    assert "took longer than 15 s. Ask for fewer days" in page.content.decode()
    assert 15 <= now_s[0] <= 15 + 2 * 8  # eight ask at once, and each may begin one more


def test_all_requests_share_one_client(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building one takes longer than the page."""
    built: list[Any] = []
    build = stack_clients.AdminAws._build

    def count(self: stack_clients.AdminAws, service: str) -> Any:
        built.append(service)
        return build(self, service)

    monkeypatch.setattr(stack_clients.AdminAws, "_build", count)
    with LoopbackServer(lambda _: Response(body=b'{"Items":[]}')) as table:
        monkeypatch.setenv("AWS_ENDPOINT_URL", table.url)

        pages = [browser.get(FAILURES, {"insert_id": "1"}) for _ in range(3)]

    assert ["No failure has this insert id" in page.content.decode() for page in pages] == [True] * 3
    assert built == ["dynamodb"]


def test_threads_that_ask_at_once_get_the_same_client() -> None:
    """Building is not thread-safe, so it is done once."""
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: stack_clients.shared()._client("sts"), range(32)))

    assert {id(client) for client in found} == {id(found[0])}


def test_another_region_makes_other_clients() -> None:
    """A setting that a test or a shell changes holds from the next request on."""
    before = stack_clients.shared()

    with override(REGION="eu-central-1"):
        after = stack_clients.shared()

    assert (before.region, after.region) == ("eu-west-1", "eu-central-1")
    assert after.dynamodb.meta.region_name == "eu-central-1"


def test_credentials_that_come_later_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was built without any never gets them: it is not kept."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert stack_clients.shared().dynamodb
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")

    with LoopbackServer(lambda _: Response(body=b'{"Items":[]}')) as table:
        monkeypatch.setenv("AWS_ENDPOINT_URL", table.url)
        found = stack_reader.read_row("1")

    assert found == []
    assert stack_clients.shared() is stack_clients.shared()


def test_a_forked_worker_makes_clients_of_its_own() -> None:
    """Connections cannot be shared, and the lock may have been held by a thread that the child lacks."""
    script = """
import os, django
django.setup()
from whyness_mixpanel.admin import stack_clients
parents = stack_clients._made = stack_clients.AdminAws(None)
stack_clients._lock.acquire()
child = os.fork()
if child == 0:
    os._exit(0 if stack_clients._made is None and stack_clients._lock.acquire(timeout=1) else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status) or stack_clients._made is not parents)
"""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "send_events")])
    environment = os.environ | {"PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "tests.django_settings"}

    done = subprocess.run(  # noqa: S603  (the test's own script)
        [sys.executable, "-c", script], cwd=ROOT, env=environment, timeout=60, check=False
    )

    assert done.returncode == 0
