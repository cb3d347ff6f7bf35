"""The app in processes that fork: by hand, and as Celery's workers do."""

import json

import pytest

from tests.integration.django.test_outbox_processes import Project, postgres_port, project
from tests.integration.django.test_servers import TIME_MS, USED, Queue, expected_pages, use_sqs
from tests.loopback import LoopbackServer

__all__ = ["postgres_port", "project"]

# The locks are held as they are when other threads publish at the moment of the fork.
FORK = """
import os, signal, traceback
from django.db import connection, transaction
from whyness_mixpanel.models import Event

def page(number):
    with transaction.atomic():
        assert Event(event="Page", user=7, insert_id=number, time=1763900000000 + number).send() is True
    connection.close()

{used}
def child_of_fork():
    page(2)
    assert counters.snapshot()["published"] == 1
    assert sqs._made.client is not client_of_parent

with sqs._lock, pool._pool._lock, publisher._breaker._lock, counters._lock:
    child = os.fork()
    if not child:
        signal.alarm(40)
        try:
            child_of_fork()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert publisher._breaker.lets_through() is False
publisher._breaker.close()
page(3)
assert sqs._made.client is client_of_parent
assert counters.snapshot()["published"] == pool.THREAD_COUNT + 1
"""


@pytest.mark.parametrize("project", ["sqlite"], indirect=True)
def test_a_forked_child_has_a_client_a_pool_and_a_breaker_of_its_own(project: Project) -> None:
    """It publishes at once though the parent's queue failed just now; the parent goes on with its own."""
    queue = Queue()

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        project.run(*project.script(FORK.format(used=USED)))

    assert queue.pages() == expected_pages(range(2, 4))


# Four children of a pool, and one that takes the place of the one that dies.
PREFORK = """
import json, multiprocessing, os, signal
from django.db import connection, transaction
from whyness_mixpanel import live
from whyness_mixpanel.models import Event

def task(number):
    try:
        with transaction.atomic():
            assert Event(event="Page", user=7, insert_id=number, time=1763900000000 + number).send() is True
            if number % 4 == 1:
                raise KeyError
    except KeyError:
        pass
    connection.close()  # as Celery does after each task

def work(first, dies_at):
    for number in range(first, first + 20):
        if number == dies_at:  # after the commit, before the queue
            live.publish = lambda rows, **_: os.kill(os.getpid(), signal.SIGKILL)
        task(number)

def fork(first, dies_at=None):
    context = multiprocessing.get_context("fork")
    child = context.Process(target=work, args=(first, dies_at), daemon=True)
    child.start()
    return child

task(100)
children = [fork(1000), fork(2000, dies_at=2010), fork(3000), fork(4000)]
task(102)
children[1].join(60)
children.append(fork(5000))
for child in children:
    child.join(60)
print(json.dumps([child.exitcode for child in children]))
"""


def test_prefork_workers_lose_nothing_when_one_is_killed(project: Project) -> None:
    """Nor do they send anything twice, or anything of a task that was rolled back; the drain has the rest."""
    queue = Queue()
    done = [(100, 101), (102, 103), (1000, 1020), (2000, 2011), (3000, 3020), (4000, 4020), (5000, 5020)]
    expected = sorted(event for first, end in done for event in expected_pages(range(first, end)))
    killed = ("Page", "7", TIME_MS + 2010, "2010")

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        printed = project.run(*project.script(PREFORK))
        live = queue.pages()
        drained = project.run("-m", "django", "mixpanel_outbox", "drain")

    assert json.loads(printed.splitlines()[-1]) == [0, -9, 0, 0, 0]
    assert live == [event for event in expected if event != killed]
    assert queue.pages() == expected
    assert drained.endswith("published 1, left 0\n")
