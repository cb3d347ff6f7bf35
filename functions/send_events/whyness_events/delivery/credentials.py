"""Edge: the service account's credentials in Secrets Manager."""

from collections.abc import Callable
from functools import partial

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from whyness_events.delivery.aws import client
from whyness_events.delivery.bounded import call_within
from whyness_events.delivery.ports import SetupFault, call_s

CACHE_S = 300
# Of what is left of the invocation: without credentials there is still something to settle.
_FETCH_PART = 0.5


class SecretCredentials:
    """Credentials from Secrets Manager, cached for five minutes.

    Args:
        secret_arn: of a secret holding JSON `{"account", "password"}`.
        left_s: returns what is left of the invocation.
    """

    def __init__(self, secret_arn: str, left_s: Callable[[], float]) -> None:
        self._secret_arn = secret_arn
        self._left_s = left_s
        self._provider: SecretsProvider | None = None

    def get(self) -> tuple[str, str]:
        """Return them; a cached secret that is unfit is asked for again."""
        return self._fetch(force=False) or self._fetch_fit()

    def refresh(self) -> bool:
        """Fetch them afresh."""
        self._fetch_fit()
        return True

    def _fetch_fit(self) -> tuple[str, str]:
        if pair := self._fetch(force=True):
            return pair
        raise SetupFault('MIXPANEL_SECRET_ARN: the secret must be {"account", "password"}, both filled')

    def _fetch(self, *, force: bool) -> tuple[str, str] | None:
        if self._provider is None:
            self._provider = SecretsProvider(boto3_client=client("secretsmanager"))
        try:
            get = partial(self._provider.get, self._secret_arn, max_age=CACHE_S, transform="json")
            secret = call_within(call_s(_FETCH_PART * self._left_s()), partial(get, force_fetch=force))
        except TimeoutError:
            raise SetupFault("MIXPANEL_SECRET_ARN: the secret cannot be read (no answer in time)") from None
        except (GetParameterError, TransformParameterError) as fault:
            kind = type(fault.__context__ or fault).__name__
            raise SetupFault(f"MIXPANEL_SECRET_ARN: the secret cannot be read ({kind})") from None
        found = secret if isinstance(secret, dict) else {}
        account, password = found.get("account"), found.get("password")
        if not (isinstance(account, str) and account and isinstance(password, str) and password):
            return None
        return account, password
