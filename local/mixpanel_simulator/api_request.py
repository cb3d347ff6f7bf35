"""A request to one of the simulated APIs."""

from collections.abc import Mapping
from dataclasses import dataclass

from .body import ImportBody
from .fault import Fault


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request.

    Attributes:
        headers: names in lower case.
        query: decoded.
        fault: that strikes it.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: ImportBody
    fault: Fault | None = None

    @property
    def strict(self) -> bool:
        """Return whether the sender wants each refused event or update told."""
        return self.query.get("strict") == "1"
