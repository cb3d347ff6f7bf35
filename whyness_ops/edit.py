"""Pure but for loading: a user's function fixes events, and must not make any of them count twice."""

import copy
import importlib
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from whyness_events import (
    SCHEMA_VERSION,
    EventTooLarge,
    InvalidEvent,
    UnknownVersion,
    UnreadableMessage,
    decode_message,
    encode_event,
    limits,
    parse_event,
)
from whyness_events.values import size_bytes
from whyness_events.wire import to_sqs_json
from whyness_ops.dead_letter_message import DeadLetter
from whyness_ops.errors import EditFault

Edit = Callable[[Any], object]
DEDUPLICATION_FIELDS = ("insert_id", "event", "user", "time")


class CannotEdit(Exception):
    """The dead letter is not sent; the text says why, without any value of the event."""


class Withheld(Exception):
    """Raised by an edit function to leave the dead letter in its queue; the report shows the text."""


def load_edit(name: str) -> Edit:
    """Return the function that `package.module:function` names.

    Raises:
        EditFault: there is no such function.
    """
    module_name, colon, function_name = name.partition(":")
    if not (colon and module_name and function_name):
        raise EditFault(
            f"--edit {name} does not name a function. Write package.module:function, such as fixes:rename."
        )
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except Exception as error:  # a user's module can raise anything at import
        raise EditFault(
            f"--edit {name}: importing {module_name} raised {_where(error)}. Fix the module or its name."
        ) from error
    if not callable(function):
        raise EditFault(f"--edit {name}: {module_name} has no function {function_name}. Check the name.")
    return function  # type: ignore[no-any-return]  # getattr gives Any


def with_check(edit: Edit | None, check: Edit | None) -> Edit | None:
    """Return the edit function with a check of each event, before and after it; None if there is neither.

    A body that cannot be read is not an event: the check gets only what the edit function returns for it.
    """
    if edit is None or check is None:
        return edit or check

    def check_event(raw: Any) -> Any:
        return check(raw) if isinstance(raw, dict) else raw

    return lambda raw: check_event(edit(check_event(raw)))


def edit_body(dead_letter: DeadLetter, edit: Edit, *, now_ms: int) -> str:
    """Return the body with each event as the function returns it.

    The function takes one event, a dict, and returns it fixed. If the body cannot be read at all, it takes
    the body's text.

    Raises:
        CannotEdit: it raised, did not return a valid event, or changed a field that it must not change.
    """
    message = _message(dead_letter)
    raws = message.raw_events if message else [dead_letter.body]
    edited = [_edit_one(raw, edit, dead_letter, now_ms) for raw in raws]
    fields: dict[str, Any] = {"schema_version": message.schema_version if message else SCHEMA_VERSION}
    if message and message.identity:
        fields["identity"] = message.identity
    body = to_sqs_json({**fields, **(message.fields if message else {}), "events": edited})
    if size_bytes(body) > limits.MESSAGE_BYTES:
        raise CannotEdit(
            f"the message to send has {size_bytes(body)} bytes; at most {limits.MESSAGE_BYTES} are allowed"
        )
    return body


def _message(dead_letter: DeadLetter) -> Any:
    try:
        return decode_message(dead_letter.body)
    except UnknownVersion as fault:
        raise CannotEdit(
            f"the message is newer than this version of whyness-mixpanel; upgrade it: {fault}"
        ) from fault
    except (UnreadableMessage, RecursionError):
        return None


def _edit_one(raw: object, edit: Edit, dead_letter: DeadLetter, now_ms: int) -> dict[str, Any]:
    try:
        edited = edit(copy.deepcopy(raw))
    except Withheld as reason:
        raise CannotEdit(str(reason)) from reason
    except Exception as error:  # a user's function can raise anything, and must not stop the others
        raise CannotEdit(f"the edit function raised {_where(error)}") from error
    if not isinstance(edited, dict):
        raise CannotEdit(f"the edit function returned {_kind(edited)}; it must return the event as a dict")
    _check_event(edited, now_ms)
    if dead_letter.may_count:
        _check_unchanged(raw, edited, dead_letter.reason)
    return edited


def _check_event(edited: dict[str, Any], now_ms: int) -> None:
    try:
        encode_event(parse_event(edited, now_ms=now_ms))
        to_sqs_json(edited)
    except (InvalidEvent, EventTooLarge) as fault:
        raise CannotEdit(f"the event to send is not valid: {fault}") from fault
    except (TypeError, ValueError, RecursionError) as fault:
        raise CannotEdit("the event to send has a value that JSON cannot represent") from fault


def _check_unchanged(raw: object, edited: Mapping[str, Any], reason: str) -> None:
    before = raw if isinstance(raw, dict) else {}
    changed = [n for n in DEDUPLICATION_FIELDS if _exact(before.get(n)) != _exact(edited[n])]
    if changed:
        raise CannotEdit(
            f"the edit changes {', '.join(changed)}, but an event that is {reason} may already count "
            "in Mixpanel and would count twice; leave these fields as they are"
        )


def _exact(value: object) -> tuple[str, object]:
    return type(value).__name__, value  # 1, 1.0 and True are equal, and different events


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _where(error: Exception) -> str:
    """Say what was raised and where: its text may quote the event."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    return type(error).__name__ + (f" ({last.filename} line {last.lineno})" if last else "")
