"""The service account's credentials: the protocol, and the ones that the settings contain."""

from typing import Protocol


class Credentials(Protocol):
    """A source of the service account's credentials."""

    def get(self) -> tuple[str, str]:
        """Return account and password, from a cache if there is one.

        Raises:
            SetupFault: they cannot be fetched.
        """

    def refresh(self) -> bool:
        """Fetch them again; return False if they cannot change.

        Raises:
            SetupFault: they cannot be fetched.
        """


class FixedCredentials:
    """Credentials from the settings, which change only with a new container."""

    def __init__(self, account: str, password: str) -> None:
        self._pair = account, password

    def get(self) -> tuple[str, str]:
        """Return account and password."""
        return self._pair

    def refresh(self) -> bool:
        """Return False: they cannot change."""
        return False
