import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.invocation import Fault, InvocationResult
from local.runtime import Runtime
from tests.integration.local.support import make_function, wait_for

StartRuntime = Callable[..., Runtime]


@pytest.fixture
def start_runtime(rie_path: Path, tmp_path: Path) -> Iterator[StartRuntime]:
    """Make a runtime of one of the small functions; it is gone after the test."""
    runtimes: list[Runtime] = []

    def make(handler: str, **settings: Any) -> Runtime:
        function = make_function(handler, **settings)
        runtimes.append(Runtime(function, rie_path=rie_path, log_path=tmp_path / "lambda.log"))
        return runtimes[-1]

    yield make
    for runtime in runtimes:
        runtime.stop()


def order(runtime: Runtime, what: str) -> InvocationResult:
    """Call the function `obey` with one order."""
    return runtime.invoke(json.dumps({"order": what}).encode())


def test_handler_gets_event_environment_and_remaining_time(start_runtime: StartRuntime) -> None:
    """The function has Lambda's variables and the template's, and none of this process."""
    os.environ["SHELL_VARIABLE_OF_OURS"] = "x"
    runtime = start_runtime("echo", timeout_s=7, LOG_TABLE_NAME="Log")

    result = runtime.invoke('{"Records": ["ü"]}'.encode())

    assert result.fault is None
    answer = json.loads(result.body)
    assert answer["event"] == {"Records": ["ü"]}
    assert 0 < answer["remaining_ms"] <= 7000
    assert answer["environment"]["LOG_TABLE_NAME"] == "Log"
    assert answer["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert answer["environment"]["TZ"] == ":UTC"
    assert "SHELL_VARIABLE_OF_OURS" not in answer["environment"]


@pytest.mark.parametrize(
    ("what", "fault", "said"),
    [
        ("nothing", None, "null"),
        ("garbage", None, "nobody"),
        ("raise", Fault.ERROR, "as ordered"),
        ("unserialisable", Fault.ERROR, "MarshalError"),
        ("seven megabytes", Fault.ERROR, "ResponseSizeTooLarge"),
        ("exit", Fault.CRASH, "exit status 3"),
    ],
)
def test_what_came_of_a_call_is_told_apart(
    start_runtime: StartRuntime, what: str, fault: Fault | None, said: str
) -> None:
    """Answer, exception, answer that cannot be sent and crash are different; the next call works."""
    runtime = start_runtime("obey")

    result = order(runtime, what)

    assert result.fault is fault
    assert said in result.body
    assert order(runtime, "nothing") == InvocationResult("null")


def test_timeout_ends_the_process(start_runtime: StartRuntime) -> None:
    """A handler that sleeps past the timeout is ended, and the next call has a fresh process."""
    runtime = start_runtime("obey", timeout_s=1)
    before = order(runtime, "pid").body

    result = order(runtime, "sleep")

    assert result == InvocationResult("Task timed out after 1.00 seconds", Fault.TIMEOUT)
    assert order(runtime, "pid").body != before


def test_handler_that_cannot_be_loaded_is_a_crash(start_runtime: StartRuntime) -> None:
    """Every call reports a wrong handler name."""
    runtime = start_runtime("no_such_handler")

    results = [runtime.invoke(b"{}") for _ in range(2)]

    assert [result.fault for result in results] == [Fault.CRASH] * 2
    assert "HandlerNotFound" in results[0].body


def test_calls_from_several_threads_are_made_one_by_one(start_runtime: StartRuntime) -> None:
    """Two calls at once would crash the emulator, so they wait for each other."""
    runtime = start_runtime("obey")

    with ThreadPoolExecutor(8) as executor:
        results = list(executor.map(lambda _: order(runtime, "pid"), range(24)))

    assert {result.fault for result in results} == {None}
    assert len({result.body for result in results}) == 1


def test_dead_emulator_is_started_again(start_runtime: StartRuntime) -> None:
    """When the emulator itself is killed the next call starts another, whose process is a fresh one."""
    runtime = start_runtime("obey")
    before = order(runtime, "pid").body
    assert runtime._process is not None
    os.kill(runtime._process.pid, signal.SIGKILL)

    results = [order(runtime, "pid") for _ in range(2)]

    assert results[-1].fault is None
    assert results[-1].body != before


def test_stop_ends_a_call_under_way(start_runtime: StartRuntime, tmp_path: Path) -> None:
    """A call that is stopped in the middle has no answer: which of the two processes went first is chance."""
    runtime = start_runtime("obey", timeout_s=60)
    order(runtime, "nothing")

    with ThreadPoolExecutor(1) as executor:
        call = executor.submit(order, runtime, "sleep")
        wait_for(lambda: (tmp_path / "lambda.log").read_text().count("START") == 2)
        runtime.stop()

    assert call.result().fault in (Fault.UNREACHABLE, Fault.CRASH)


def test_six_megabytes_fit_through(start_runtime: StartRuntime) -> None:
    """The largest event that the poller makes reaches the function."""
    runtime = start_runtime("obey")
    event = json.dumps({"order": "nothing", "filler": ""})
    event = event.replace('""', '"' + "x" * (6 * 1024 * 1024 - len(event)) + '"')

    assert len(event) == 6 * 1024 * 1024
    assert runtime.invoke(event.encode()) == InvocationResult("null")
