"""The app in processes that fork: by hand, and as Celery's workers do."""

import json

import pytest

from tests.integration.django.test_outbox_processes import LEASES_END, Project, project
from tests.integration.django.test_servers import USED, Queue, expected_pages, use_sqs
from tests.loopback import LoopbackServer

__all__ = ["project"]

# The locks are held as they are when other threads publish at the moment of the fork.
FORK = """
import os, signal, time, traceback
from django.db import connection, transaction
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event, Outbox

def page(number):
    with transaction.atomic():
        assert Event(event="Page", user=7, insert_id=number, time=1763900000000 + number).send() is True
    connection.close()

def until(is_so):
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)

{used}
def child_of_fork():
    page(2)
    until(lambda: not Outbox.objects.filter(encoded__contains='"Page"').exists())  # the parent's may be first
    assert sqs._made is None or sqs._made.client is not client_of_parent

with sqs._lock, counters._lock:
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
page(3)
until(lambda: not Outbox.objects.filter(encoded__contains='"Page"').exists())
assert sqs._made.client is client_of_parent
"""


@pytest.mark.parametrize("project", ["sqlite"], indirect=True)
def test_a_forked_child_has_a_client_and_a_relay_of_its_own(project: Project) -> None:
    """It publishes though the parent's queue failed just now; the parent goes on with its own."""
    queue = Queue()

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        project.run(*project.script(FORK.format(used=USED)))

    assert queue.pages() == expected_pages(range(2, 4))


# Four children of a pool, and one that takes the place of the one that dies.
PREFORK = """
import json, multiprocessing, os, signal, time
from django.db import connection, transaction
from whyness_mixpanel.models import Event
from whyness_mixpanel.publishing import batch

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
        if number == dies_at:  # its relay, after the claim, before the queue
            batch.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        task(number)
        if dies_at is not None:
            time.sleep(0.05)

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
    """Nor do they send anything twice that was not claimed by it, or anything that was rolled back."""
    queue = Queue()
    done = [(100, 101), (102, 103), (1000, 1020), (3000, 3020), (4000, 4020), (5000, 5020)]
    expected = {event for first, end in done for event in expected_pages(range(first, end))}

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        printed = project.run(*project.script(PREFORK))
        project.run(*project.script(LEASES_END))
        drained = project.run("-m", "django", "mixpanel_outbox", "drain")

    assert json.loads(printed.splitlines()[-1]) == [0, -9, 0, 0, 0]
    of_the_killed = {event for event in queue.pages() if event[3].startswith("2")}
    count = len(of_the_killed)
    assert set(queue.pages()) - of_the_killed == expected
    assert sorted(of_the_killed) == expected_pages(range(2000, 2021))[:count]
    assert count >= len(expected_pages(range(2000, 2011)))
    assert drained.endswith("Left: 0.\n")
