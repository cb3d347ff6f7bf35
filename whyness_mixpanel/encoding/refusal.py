"""Why a value cannot travel: for the developer with the property's name, for everybody else without it."""

from whyness_events import InvalidEvent
from whyness_mixpanel.faults import is_of_signal, type_name


class InvalidValue(InvalidEvent):
    """A value cannot travel. Its text names the property, for the developer; `public_text` does not.

    `place` is where the value stands. `allowed` is `""` where the value's own code raised what was `found`.
    """

    def __init__(self, path: str, found: str, allowed: str, place: str = "") -> None:
        super().__init__(path, found, allowed)
        self.place = place or path

    def __str__(self) -> str:
        return _text(self.place, self)


def public_text(error: Exception) -> str:
    """Return what logs may say of an event that cannot travel."""
    return _text(error.path, error) if isinstance(error, InvalidEvent) else str(error)


def _text(path: str, error: InvalidEvent) -> str:
    return (
        f"{path}: found {error.found}; allowed: {error.allowed}"
        if error.allowed
        else f"{path}: {error.found}"
    )


class Refusal(Exception):
    """Why a value is none of those that travel, and where in what was given it stands."""

    def __init__(self, found: str, allowed: str = "") -> None:
        super().__init__(found, allowed)
        self.found, self.allowed, self.place = found, allowed, ""

    def named(self, path: str, place: str = "") -> InvalidValue:
        """Return it as the fault of an event, with the public path and the developer's."""
        invalid = InvalidValue(path, self.found, self.allowed, (place or path) + self.place)
        invalid.__cause__ = self.__cause__
        return invalid


def refusal_of(error: Exception) -> Refusal:
    """Return why a value is refused that raised `error` when it was touched.

    Raises:
        Exception: `error` itself, where a signal handler raised it.
    """
    if type(error) is Refusal:
        return error
    if is_of_signal(error):
        raise error
    refusal = Refusal(type_name(error))
    refusal.__cause__ = error
    return refusal
