"""SQS, DynamoDB and Secrets Manager on loopback, as strict as AWS is where an emulator is not."""

from tests.aws_stub.errors import DENIED, DOWN, THROTTLED, AwsError
from tests.aws_stub.stub import (
    EXECUTE,
    GET_SECRET,
    SECRET_ARN,
    SEND,
    TABLE,
    WRITE,
    AwsStub,
    StoredDeadLetter,
    always,
    times,
)

__all__ = [
    "DENIED",
    "DOWN",
    "EXECUTE",
    "GET_SECRET",
    "SECRET_ARN",
    "SEND",
    "TABLE",
    "THROTTLED",
    "WRITE",
    "AwsError",
    "AwsStub",
    "StoredDeadLetter",
    "always",
    "times",
]
