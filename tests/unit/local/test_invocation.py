import pytest

from local.invocation import Fault, InvocationResult, classify

ERROR_DOCUMENT = '{"errorMessage": "x", "errorType": "ValueError", "requestId": "r", "stackTrace": []}'


@pytest.mark.parametrize(
    "body",
    [
        "null",
        '"Task timed out after 3.00 seconds"',
        '{"errorMessage": "a payload of the handler"}',
        '{"batchItemFailures": []}',
        "NaN",
    ],
)
def test_answer_of_the_handler_is_passed_on(body: str) -> None:
    """An answer of the handler is not a fault, even if it resembles one."""
    assert classify(200, body) == InvocationResult(body)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, ERROR_DOCUMENT, Fault.ERROR),
        (200, "Task timed out after 3.00 seconds", Fault.TIMEOUT),
        (502, '{"errorType":"Runtime.ExitError","errorMessage":"exit status 3"}', Fault.CRASH),
        (502, '{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"7000002"}', Fault.ERROR),
        (413, "too large", Fault.ERROR),
        (500, "", Fault.ERROR),
    ],
)
def test_faults_are_told_apart(status: int, body: str, fault: Fault) -> None:
    """The emulator's answers for an exception, a timeout and a crash give three different faults."""
    assert classify(status, body) == InvocationResult(body, fault)
