"""AWS's errors in its JSON protocols."""

import json
from dataclasses import dataclass

# By the prefix of the header X-Amz-Target: the namespace in `__type`, and the name of the throttling error.
_SERVICES = {
    "AmazonSQS": ("com.amazonaws.sqs", "RequestThrottled"),
    "DynamoDB_20120810": ("com.amazonaws.dynamodb.v20120810", "ProvisionedThroughputExceededException"),
    "secretsmanager": ("com.amazonaws.secretsmanager", "ThrottlingException"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a call."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/x-amz-json-1.0"),)


class AwsError(Exception):
    """An error that the proxy answers itself."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self, service: str) -> Answer:
        """Return the answer of a service, given as the prefix of X-Amz-Target."""
        namespace = _SERVICES.get(service, ("com.amazonaws", ""))[0]
        body = json.dumps({"__type": f"{namespace}#{self.code}", "message": self.message}).encode()
        fault = "Receiver" if self.status >= 500 else "Sender"  # noqa: PLR2004  (HTTP)
        query_error = ("x-amzn-query-error", f"{self.code};{fault}")
        plain = Answer(self.status, body)
        return Answer(self.status, body, (*plain.headers, query_error)) if service == "AmazonSQS" else plain


def throttled(service: str) -> AwsError:
    """Return the service's throttling error."""
    return AwsError(_SERVICES.get(service, ("", "ThrottlingException"))[1], "scripted")


def unavailable() -> AwsError:
    """Return a 503."""
    return AwsError("ServiceUnavailable", "scripted", 503)
