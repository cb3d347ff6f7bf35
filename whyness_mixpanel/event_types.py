"""The types that the fields of an event accept, for mypy and editors (docs/reference/python.md)."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypedDict
from uuid import UUID

from django.utils.functional import LazyObject, Promise

if TYPE_CHECKING:
    _Lazy = LazyObject[Any]
else:
    _Lazy = LazyObject


class HasKey(Protocol):
    """A model instance, or a user of a request."""

    @property
    def pk(self) -> Any:
        """Return its primary key."""


TextValue: TypeAlias = str | Enum | Promise | _Lazy
Identifier: TypeAlias = TextValue | int | UUID | None
User: TypeAlias = Identifier | HasKey
Moment: TypeAlias = datetime | float | Decimal | _Lazy
Address: TypeAlias = TextValue | IPv4Address | IPv6Address | None
Data: TypeAlias = TextValue | dict[str, Any] | None
Properties: TypeAlias = dict[str, Any] | _Lazy | None


class EventFields(TypedDict, total=False):
    """The fields of an `Event` beside its name and its properties."""

    user: User
    data: Data
    insert_id: Identifier
    time: Moment | None
    ip: Address
    useragent: TextValue | None
    prospect: Identifier
