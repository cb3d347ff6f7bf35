"""AWS's errors as its JSON protocols put them."""

import json

from tests.loopback import Response

REQUEST_ID = "6b1b3e55-9e2f-4f7e-8a3e-1c2d3e4f5a6b"
_NAMESPACES = {
    "AmazonSQS": "com.amazonaws.sqs",
    "DynamoDB_20120810": "com.amazonaws.dynamodb.v20120810",
    "secretsmanager": "com.amazonaws.secretsmanager",
}


class AwsError(Exception):
    """An error answer.

    Args:
        code: such as `ThrottlingException`.
        message: for people.
        status: of the answer.
    """

    def __init__(self, code: str, message: str = "scripted", status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status

    def response(self, service: str) -> Response:
        """Return the answer of a service, given as in the header X-Amz-Target."""
        body = {"__type": f"{_NAMESPACES[service]}#{self.code}", "message": self.message}
        headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": REQUEST_ID}
        if service == "AmazonSQS":
            fault = "Receiver" if self.status >= 500 else "Sender"
            headers["x-amzn-query-error"] = f"AWS.SimpleQueueService.{self.code};{fault}"
        return Response(self.status, json.dumps(body).encode(), headers)


THROTTLED = AwsError("ProvisionedThroughputExceededException")
DENIED = AwsError("AccessDeniedException")
DOWN = AwsError("InternalFailure", status=500)
