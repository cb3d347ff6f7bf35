import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.django_support import override
from whyness_mixpanel import breaker, pool, publisher
from whyness_mixpanel.backends import Answer, all_of, locmem
from whyness_mixpanel.breaker import Breaker

ROOT = Path(__file__).parents[3]
EVENT = '{"insert_id":"1"}'


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The breaker's clock: its one element may be set."""
    now_s = [100.0]
    monkeypatch.setattr(breaker, "now_s", lambda: now_s[0])
    return now_s


def test_a_breaker_opens_for_a_pause_and_lets_one_try(clock: list[float]) -> None:
    """Who tries while it is open does so alone; a success closes it."""
    found = Breaker()
    seen = [found.lets_through()]
    found.open()
    seen.append(found.lets_through())
    clock[0] += breaker.PAUSE_S
    seen += [found.lets_through(), found.lets_through()]
    found.close()
    seen.append(found.lets_through())

    assert seen == [True, False, True, False, True]


def test_a_late_answer_to_the_first_attempts_opens_nothing(clock: list[float]) -> None:
    """A process that begins makes its client first; an error, or a late answer afterwards, does count."""
    found = Breaker()
    seen = [found.lets_through()]
    found.open(is_late=True)
    seen.append(found.lets_through())
    clock[0] += breaker.COLD_S
    found.open(is_late=True)
    seen.append(found.lets_through())

    assert seen == [True, True, False]


def test_while_the_breaker_is_open_nobody_asks_the_queue(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page waits for a dead queue once, not once per event."""
    calls: list[int] = []

    def fail(bodies: list[str]) -> Answer:
        calls.append(len(bodies))
        raise TimeoutError

    monkeypatch.setattr(locmem, "publish", fail)
    answers = [publisher.publish([EVENT]) for _ in range(3)]
    monkeypatch.setattr(locmem, "publish", all_of)
    answers.append(publisher.publish([EVENT]))
    clock[0] += breaker.PAUSE_S
    answers += [publisher.publish([EVENT]), publisher.publish([EVENT])]

    assert calls == [1]
    assert answers == [False, False, False, False, True, True]


def test_a_message_refused_among_others_opens_no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue works."""
    large = f'"{"x" * 65_000}"'
    monkeypatch.setattr(locmem, "publish", lambda bodies: Answer(frozenset(range(1, len(bodies))), "X"))

    first, second = publisher.publish_each([large, large]), publisher.publish_each([large, large])

    assert first.confirmed == second.confirmed == [False, True]


def test_what_was_confirmed_before_the_budget_ended_stays_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten messages went through, the call after them hangs, and the one after that is not made."""
    is_over = threading.Event()
    has_ended = threading.Event()
    calls: list[int] = []

    def hang_at_second(bodies: list[str]) -> Answer:
        calls.append(len(bodies))
        if len(calls) == 2:
            is_over.wait()
            has_ended.set()
        return all_of(bodies)

    monkeypatch.setattr(locmem, "publish", hang_at_second)
    with override(PUBLISH_BUDGET_MS=200):
        confirmed = publisher.publish_each([f'"{"x" * 65_000}"'] * 25).confirmed
    is_over.set()
    has_ended.wait()
    pool.run(lambda _: None, budget_s=30)

    assert confirmed == [True] * 10 + [False] * 15
    assert calls == [10, 10]


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    """It waited in line behind work that hangs."""
    done: list[int] = []
    is_over, begun = threading.Event(), threading.Semaphore(0)
    own = pool.Pool()

    def hang(_: pool.Job) -> None:
        begun.release()
        is_over.wait()

    def wait() -> None:
        own.run(hang, budget_s=30)

    threads = [threading.Thread(target=wait) for _ in range(pool.THREAD_COUNT)]
    for thread in threads:
        thread.start()
        begun.acquire()
    with pytest.raises(pool.BudgetExceeded):
        own.run(lambda _: done.append(1), budget_s=0.001)
    is_over.set()
    own.run(lambda _: done.append(2), budget_s=30)
    for thread in threads:
        thread.join()

    assert done == [2]


def test_a_forked_worker_starts_with_a_pool_and_a_breaker_of_its_own() -> None:
    """It has none of its parent's threads, and may reach what the parent could not."""
    script = """
import os
from whyness_mixpanel import pool, publisher
pool.run(lambda _: None, budget_s=30)
publisher._breaker.open()
child = os.fork()
if child == 0:
    pool.run(lambda _: None, budget_s=30)
    os._exit(0 if publisher._breaker.lets_through() else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "send_events")])
    done = subprocess.run(  # noqa: S603  (the test's own script)
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "tests.django_settings"},
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
