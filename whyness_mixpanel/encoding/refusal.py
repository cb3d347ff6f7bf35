"""Why a value cannot be encoded: with the property's name for the developer, without it for logs."""

from whyness_events import InvalidEvent
from whyness_mixpanel.faults import is_of_signal, type_name


class InvalidValue(InvalidEvent):
    """A value cannot be encoded. Its text names the property, for the developer; `public_text` does not.

    `place` is the path to the value. `allowed` is `""` where the value's own code raised what `found` names.
    """

    def __init__(self, path: str, found: str, allowed: str, place: str = "") -> None:
        super().__init__(path, found, allowed)
        self.place = place or path

    def __str__(self) -> str:
        return _text(self.place, self)


def public_text(error: Exception) -> str:
    """Return the text for logs about an event that cannot be encoded."""
    return _text(error.path, error) if isinstance(error, InvalidEvent) else str(error)


def _text(path: str, error: InvalidEvent) -> str:
    return (
        f"{path}: found {error.found}; allowed: {error.allowed}"
        if error.allowed
        else f"{path}: {error.found}"
    )


class Refusal(Exception):
    """Why a value cannot be encoded, and its place in the given value."""

    def __init__(self, found: str, allowed: str = "") -> None:
        super().__init__(found, allowed)
        self.found, self.allowed, self.place = found, allowed, ""

    def named(self, path: str, place: str = "") -> InvalidValue:
        """Return it as an event's fault, with the path for logs and the place for the developer."""
        invalid = InvalidValue(path, self.found, self.allowed, (place or path) + self.place)
        invalid.__cause__ = self.__cause__
        return invalid


def refusal_of(error: Exception) -> Refusal:
    """Return the refusal of a value that raised `error` while it was read.

    Raises:
        Exception: `error` itself, if a signal handler raised it.
    """
    if type(error) is Refusal:
        return error
    if is_of_signal(error):
        raise error
    refusal = Refusal(type_name(error))
    refusal.__cause__ = error
    return refusal
