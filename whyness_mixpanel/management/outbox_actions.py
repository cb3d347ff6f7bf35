"""The actions `list`, `show`, `release` and `delete` of `mixpanel_outbox`."""

import json
import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from whyness_mixpanel.management.outbox_status import Write, one_line
from whyness_mixpanel.publishing import outbox, parked
from whyness_mixpanel.tables import Outbox
from whyness_ops.output import pretty, printable

logger = logging.getLogger("whyness_mixpanel")

NOT_DONE, WRONG_ARGUMENTS = 1, 2
# As in the admin's list.
_REASON_CHARACTERS, _NAME_CHARACTERS = 200, 60


def list_parked(  # noqa: PLR0913  (the options of the action)
    aliases: Sequence[str],
    write: Write,
    note: Write,
    *,
    reason: str,
    limit: int,
    as_json: bool,
    **_: Any,
) -> None:
    """Write a line for each parked row, oldest first, without personal data; `note` if rows are left out."""
    for alias in aliases:
        rows = outbox.parked(alias).filter(reason__icontains=reason).order_by("id")
        for row in rows[:limit].iterator(chunk_size=parked.ROWS_IN_MEMORY):
            if as_json:
                write(_json(alias, row, created_at=row.created_at, event=_name(row), reason=row.reason))
            else:
                place = [] if len(aliases) == 1 else [alias]
                created_at = row.created_at.isoformat(timespec="seconds")
                text = one_line(row.reason)[:_REASON_CHARACTERS]
                write("  ".join([str(row.pk), *place, created_at, _name(row) or "-", text]))
        if rows[limit : limit + 1].exists():
            note(f"{alias}: more than {limit} events are parked. Use --limit to list more.")


def show_row(aliases: Sequence[str], write: Write, *, id: int, as_json: bool, **_: Any) -> None:  # noqa: A002
    """Write all fields of a row, parked or pending."""
    [alias] = _places(aliases, [id], _all_rows, "row")
    row = _all_rows(alias).get(pk=id)
    values = {name: getattr(row, name) for name in parked.FIELDS}
    if as_json:
        write(_json(alias, row, **values))
        return
    values["encoded"] = _readable(row.encoded)
    shown = {"id": row.pk, "database": alias} | values
    write(printable("\n".join(f"{name}: {value}" for name, value in shown.items())))


def release(aliases: Sequence[str], write: Write, **options: Any) -> None:
    """Release the selected parked rows whose events are valid now."""
    done = [parked.release(ids, alias) for alias, ids in _chosen(aliases, **options).items()]
    kept = sum(counts.kept for counts in done)
    write(f"Released: {sum(counts.released for counts in done)}. Still parked: {kept}.")
    if kept:
        raise CommandError(
            f"{kept} events stay parked. Run 'manage.py mixpanel_outbox list' to see why.",
            returncode=NOT_DONE,
        )


def delete(aliases: Sequence[str], write: Write, *, yes: bool, **options: Any) -> None:
    """Delete the selected parked rows, after a confirmation."""
    chosen = _chosen(aliases, **options)
    count = sum(map(len, chosen.values()))
    if count and not yes:
        _ask(count)
    deleted = sum(_delete_and_log(ids, alias) for alias, ids in chosen.items())
    write(f"Deleted: {deleted}.")
    if deleted < count:
        raise CommandError(
            f"{count - deleted} rows were not deleted, because they are no longer parked.",
            returncode=NOT_DONE,
        )


def _delete_and_log(ids: Sequence[int], alias: str) -> int:
    """Delete rows that are still parked and log the ids, as the admin does; return how many."""
    deleted = 0
    for some in outbox.slices(ids):
        count = parked.delete(some, alias)
        deleted += count
        listed = ", ".join(map(str, some))
        logger.warning("Deleted %d parked rows from the outbox of %s. Ids: %s", count, alias, listed)
    return deleted


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise CommandError(
            "Nothing was deleted: there is no terminal to ask for a confirmation. Give --yes.",
            returncode=WRONG_ARGUMENTS,
        )
    try:
        answer = input(f"Delete {count} parked events permanently? [y/N] ")
    except (EOFError, UnicodeDecodeError):
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was deleted.", returncode=NOT_DONE)


def _chosen(
    aliases: Sequence[str],
    *,
    ids: Sequence[int],
    all: bool,  # noqa: A002  (the option's name)
    **_: Any,
) -> dict[str, Sequence[int]]:
    """Return the ids of the selected rows by database; with `all`, of those parked now."""
    if bool(ids) == all:
        raise CommandError("Give either the ids of rows or --all.", returncode=WRONG_ARGUMENTS)
    if all:
        return {alias: parked.ids_of(outbox.parked(alias)) for alias in aliases}
    return _places(aliases, ids, outbox.parked, "parked row")


def _places(
    aliases: Sequence[str], ids: Sequence[int], rows_of: Callable[[str], QuerySet[Outbox]], what: str
) -> dict[str, Sequence[int]]:
    """Return `ids`, ascending, by their databases.

    Raises:
        CommandError: no database, or several, have one of them.
    """
    places: dict[int, list[str]] = {id_: [] for id_ in sorted(ids)}
    for alias in aliases:
        for some in outbox.slices(list(places)):
            for id_ in rows_of(alias).filter(pk__in=some).values_list("pk", flat=True):
                places[id_].append(alias)
    _refuse(f"There is no {what} with the id {{}}.", [id_ for id_, has in places.items() if not has])
    _refuse(
        f"Several databases have a {what} with the id {{}}. Choose one with --database.",
        [id_ for id_, has in places.items() if len(has) > 1],
    )
    by_alias: dict[str, list[int]] = defaultdict(list)
    for id_, [alias] in places.items():
        by_alias[alias].append(id_)
    return dict(by_alias)


def _refuse(text: str, ids: Sequence[int]) -> None:
    if ids:
        raise CommandError(text.format(", ".join(map(str, ids))), returncode=WRONG_ARGUMENTS)


def _all_rows(alias: str) -> QuerySet[Outbox]:
    return Outbox.objects.using(alias)


def _json(alias: str, row: Outbox, **values: object) -> str:
    return json.dumps({"id": row.pk, "database": alias} | values, cls=DjangoJSONEncoder)


def _name(row: Outbox) -> str:
    """Return an event's name, `""` where it has none."""
    try:
        raw = json.loads(row.encoded)
    except (ValueError, RecursionError):  # a parked row may hold anything
        return ""
    name = raw.get("event") if isinstance(raw, dict) else None
    return one_line(name)[:_NAME_CHARACTERS] if isinstance(name, str) else ""


def _readable(encoded: str) -> str:
    """Return indented JSON, or the text itself where it is damaged."""
    try:
        return pretty(json.loads(encoded))
    except (ValueError, RecursionError):
        return encoded
