"""Edge: the admin's AWS clients, one of each service in a process; building one takes some 50 ms."""

import threading
from typing import Any

from whyness_mixpanel import conf
from whyness_mixpanel.forks import in_child
from whyness_ops import Aws, SetupFault
from whyness_ops.aws import explained

# A person waits: two attempts of these, at worst.
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 5
_ATTEMPT_COUNT = 2


class AdminAws(Aws):
    """Clients that give up while a person still waits; credentials and endpoints are boto3's own affair.

    Attributes:
        region: theirs; None for boto3's own choice.
        lacks_credentials: whether there were none when a client was built: it never gets any.
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
            raise SetupFault("The endpoint or the region is none: see AWS_ENDPOINT_URL.") from error
        self.lacks_credentials = self._session.get_credentials() is None
        return client


_lock = threading.Lock()
_made: AdminAws | None = None


def shared() -> AdminAws:
    """Return this process's clients; made anew where the region changed, or credentials were missing.

    Raises:
        SettingError: a setting that the region comes from is not allowed.
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
