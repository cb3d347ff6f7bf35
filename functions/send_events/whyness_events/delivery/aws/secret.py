"""Edge: the service account's credentials in Secrets Manager."""

import json
from collections.abc import Callable
from typing import Any

from whyness_events.delivery.aws.clients import CallFailed, LazyClient
from whyness_events.delivery.ports import LONGEST_CALL_S, Clock, SetupFault

# Credentials of this age are fetched again, in a call of at most this length.
RENEW_AFTER_S = 300.0
_RENEWAL_S = 1.0
# Part of the invocation's remaining time for a fetch: without credentials there are still records to settle.
_FETCH_PART = 0.5

Pair = tuple[str, str]


class SecretCredentials:
    """Credentials from Secrets Manager, in use until Mixpanel refuses them.

    They are fetched again every five minutes, so that a rotation is known before Mixpanel refuses the old
    ones; if that fails, the known ones stay in use. The fetch takes at most a second of the invocation:
    Lambda could freeze a background thread in the middle of its call, for hours.

    Args:
        secret_arn: of a secret that holds JSON `{"account", "password"}`.
        secrets_manager: a client of Secrets Manager.
        clock: for the age of the credentials.
        left_s: returns the seconds that are left of the invocation.
    """

    def __init__(
        self, secret_arn: str, secrets_manager: LazyClient, clock: Clock, left_s: Callable[[], float]
    ) -> None:
        self._secret_arn = secret_arn
        self._secrets_manager = secrets_manager
        self._clock = clock
        self._left_s = left_s
        self._pair: Pair | None = None
        self._renew_at_s = 0.0

    def get(self) -> Pair:
        """Return account and password; see Credentials."""
        if self._pair is None:
            return self._fetch(LONGEST_CALL_S)
        if self._clock.monotonic_s() >= self._renew_at_s:
            self._renew()
        return self._pair

    def refresh(self) -> bool:
        """Fetch them again; see Credentials."""
        self._fetch(LONGEST_CALL_S)
        return True

    def _renew(self) -> None:
        self._renew_at_s = self._clock.monotonic_s() + RENEW_AFTER_S
        try:
            self._fetch(_RENEWAL_S)
        except SetupFault:
            return  # the client has noted it for the log, and the known credentials may still be valid

    def _fetch(self, longest_s: float) -> Pair:
        seconds = min(longest_s, _FETCH_PART * self._left_s())
        try:
            answer = self._secrets_manager.call("get_secret_value", seconds, SecretId=self._secret_arn)
        except CallFailed as fault:
            raise SetupFault(f"MIXPANEL_SECRET_ARN: the secret cannot be read ({fault.code})") from None
        if (pair := _read(answer.get("SecretString"))) is None:
            raise SetupFault('MIXPANEL_SECRET_ARN: the secret must be {"account": "…", "password": "…"}')
        self._pair = pair
        self._renew_at_s = self._clock.monotonic_s() + RENEW_AFTER_S
        return pair


def _read(text: Any) -> Pair | None:
    try:
        secret = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    document = secret if isinstance(secret, dict) else {}
    account, password = document.get("account"), document.get("password")
    if not (isinstance(account, str) and account and isinstance(password, str) and password):
        return None
    return account, password
