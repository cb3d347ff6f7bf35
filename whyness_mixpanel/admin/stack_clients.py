"""Edge: the admin's AWS clients, one for each service and process; building one takes about 50 ms."""

import threading
from typing import Any

from whyness_mixpanel import conf
from whyness_mixpanel.forks import in_child
from whyness_ops import Aws, SetupFault
from whyness_ops.aws import explained

# A person waits for up to two attempts.
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 5
_ATTEMPT_COUNT = 2


class AdminAws(Aws):
    """Clients with short time-outs; credentials and endpoints are those that boto3 finds.

    Attributes:
        region: of the clients; None for boto3's own choice.
        lacks_credentials: whether a client was built without credentials; it never gets any.
    """

    def __init__(self, region: str | None) -> None:
        super().__init__(region=region)
        self.region = region
        self.lacks_credentials = False
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        with self._lock, explained(service):
            if service not in self._clients:
                self._clients[service] = self._build(service)
            return self._clients[service]

    def _build(self, service: str) -> Any:
        import boto3  # noqa: PLC0415  (not at the start of every process of the site)
        from botocore.config import Config  # noqa: PLC0415  (as above)

        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPT_COUNT},
            max_pool_connections=16,
        )
        if self._session is None:
            # Of its own: building from boto3's default session is not thread-safe.
            self._session = boto3.session.Session()
        try:
            client = self._session.client(service, region_name=self.region, config=config)
        except ValueError as error:
            raise SetupFault(
                "The endpoint or the region is not valid. Check AWS_ENDPOINT_URL and REGION."
            ) from error
        self.lacks_credentials = self._session.get_credentials() is None
        return client


_lock = threading.Lock()
_made: AdminAws | None = None


def shared() -> AdminAws:
    """Return this process's clients; new ones if the region has changed or credentials were missing.

    Raises:
        SettingError: REGION or QUEUE_URL is not valid.
    """
    global _made  # noqa: PLW0603  (one per process; botocore's clients are thread-safe once built)
    region = conf.region()
    with _lock:
        if _made is None or _made.region != region or _made.lacks_credentials:
            _made = AdminAws(region)
        return _made


@in_child
def _start_afresh() -> None:
    global _lock, _made  # noqa: PLW0603  (a forked child may share neither the lock nor the connections)
    _lock = threading.Lock()
    _made = None
