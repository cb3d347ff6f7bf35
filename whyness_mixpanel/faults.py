"""Describes exceptions and values of foreign code without running that code."""

import re
import signal
import traceback

_SAFE_NAME = re.compile(r"[A-Za-z0-9_]{1,100}").fullmatch
_name = type.__dict__["__name__"].__get__
_traceback = BaseException.__dict__["__traceback__"].__get__


def is_of_signal(error: BaseException) -> bool:
    """Whether a signal handler raised it, such as a job's time limit. Such errors must be re-raised."""
    handlers = {getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()}
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(_traceback(error)))


def type_name(value: object) -> str:
    """Return the name of a value's type, bypassing its metaclass."""
    name = str(_name(type(value)))
    return name if _SAFE_NAME(name) else "value of a type without a readable name"


def kind_of(value: object) -> str:
    """Return the name of a value's type with its article."""
    name = type_name(value)
    return f"an {name}" if name[0] in "AEIOaeio" else f"a {name}"
