"""Deletes rows of the outbox about people who must be forgotten."""

import json
from collections.abc import Collection, Iterator

from django.db import transaction
from django.db.models import Q

from whyness_mixpanel.privacy.filters import people_of
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.tables import Outbox


def purge_outbox(users: Collection[str], *, dry_run: bool) -> int:
    """Delete the rows about `users`, parked or pending, in every database; return their number."""
    count = 0
    unwanted = set(users)
    for alias in outbox.aliases():
        ids = list(_ids_about(unwanted, alias))
        count += len(ids)
        if not dry_run:
            with transaction.atomic(using=alias):
                for start in range(0, len(ids), 500):
                    rows = Outbox.objects.using(alias).filter(pk__in=ids[start : start + 500])
                    rows._raw_delete(alias)  # noqa: SLF001  (without signals)
    return count


def _ids_about(unwanted: set[str], alias: str) -> Iterator[int]:
    """Yield the ids of their rows. A prospect, and the user of a parked row, may be only in the JSON."""
    unclear = Q(encoded__contains='"prospect"') | Q(state=Outbox.State.PARKED)
    rows = Outbox.objects.using(alias).filter(Q(user__in=unwanted) | unclear)
    for id_, user, encoded in rows.values_list("pk", "user", "encoded").iterator():
        if user in unwanted or _people(encoded) & unwanted:
            yield id_


def _people(encoded: str) -> set[str]:
    try:
        return people_of(json.loads(encoded))
    except (ValueError, RecursionError):  # a parked row may hold anything
        return set()
