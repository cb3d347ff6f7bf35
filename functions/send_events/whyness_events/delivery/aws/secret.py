"""Edge: the service account's credentials in Secrets Manager."""

import json
from collections.abc import Callable
from typing import Any

from whyness_events.delivery.aws.clients import CallFailed, LazyClient
from whyness_events.delivery.ports import LONGEST_CALL_S, Clock, SetupFault

# From this age on a newer pair is looked for, and this long at most.
RENEW_AFTER_S = 300.0
_RENEWAL_S = 1.0
# Of what is left of the invocation: without credentials there is still something to settle.
_FETCH_PART = 0.5

Pair = tuple[str, str]


class SecretCredentials:
    """Credentials from Secrets Manager, which serve until Mixpanel refuses them.

    From time to time a newer pair is looked for, so that a rotation is known before the old one is refused;
    whatever comes of that, the pair at hand goes on. It is done in line, within a second: Lambda may freeze
    a thread in the background in the middle of its call, for hours.

    Args:
        secret_arn: of a secret holding JSON `{"account", "password"}`.
        secrets_manager: a client of it.
        clock: for their age.
        left_s: returns what is left of the invocation.
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
        """Return them."""
        if self._pair is None:
            return self._fetch(LONGEST_CALL_S)
        if self._clock.monotonic_s() >= self._renew_at_s:
            self._renew()
        return self._pair

    def refresh(self) -> bool:
        """Fetch them afresh."""
        self._fetch(LONGEST_CALL_S)
        return True

    def _renew(self) -> None:
        self._renew_at_s = self._clock.monotonic_s() + RENEW_AFTER_S
        try:
            self._fetch(_RENEWAL_S)
        except SetupFault:
            return  # it is in the log already, and stops nothing until Mixpanel says 401

    def _fetch(self, longest_s: float) -> Pair:
        seconds = min(longest_s, _FETCH_PART * self._left_s())
        try:
            answer = self._secrets_manager.call("get_secret_value", seconds, SecretId=self._secret_arn)
        except CallFailed as fault:
            raise SetupFault(f"MIXPANEL_SECRET_ARN: the secret cannot be read ({fault.code})") from None
        if (pair := _read(answer.get("SecretString"))) is None:
            raise SetupFault('MIXPANEL_SECRET_ARN: the secret must be {"account", "password"}, both filled')
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
