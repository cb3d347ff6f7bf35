"""Edge: the service account's credentials, wherever they come from; those of the settings."""

from typing import Protocol


class Credentials(Protocol):
    """Where the credentials come from."""

    def get(self) -> tuple[str, str]:
        """Return account and password, from a cache where there is one.

        Raises:
            SetupFault: there are none to be had.
        """

    def refresh(self) -> bool:
        """Fetch them afresh; False where they cannot change.

        Raises:
            SetupFault: there are none to be had.
        """


class FixedCredentials:
    """Credentials that are given: they change with the next start."""

    def __init__(self, account: str, password: str) -> None:
        self._pair = account, password

    def get(self) -> tuple[str, str]:
        """Return them."""
        return self._pair

    def refresh(self) -> bool:
        """Return False."""
        return False
