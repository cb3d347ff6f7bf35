"""The settings of a simulator: projects, credentials, limits.

Every default is the documented figure in its stricter reading (MB = 1,000,000 bytes, "fewer than 255" = 254),
so that what passes here passes there.
Source: Mixpanel's public pages on the Import API, rate limits and data types, read in 2026-11.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

REGIONS = ("us", "eu", "in")
IDENTITIES = ("simplified", "original")
ORDERS = ("arrival", "shuffled")
STRICT_ANSWERS = ("error", "count", "zero", "none")


class SettingsError(ValueError):
    """A setting is unknown or invalid; the text names it and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A Mixpanel project.

    Args:
        project_id: as in the sender's query.
        region: of the project; a simulator of another region answers 401.
        token: with an empty password, a valid Basic credential for this project; "" = none.
    """

    project_id: str
    region: str = "us"
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration of a simulator.

    Args:
        projects: the only projects that exist; the service account may write to all of them.
        account: name of the service account.
        password: its secret, never shown.
        region: that this simulator stands for.
        identity: "simplified" or "original" ID merge, for all projects.
        unknown_project_status: answer to a right account with a wrong `project_id`: 401, or 400 without
            `failed_records`.
        clamp_future: a time at most one hour ahead becomes the arrival time, so that a second send of the
            event is a second event (Mixpanel's pages contradict each other here).
        max_events: per request; of profiles, updates.
        max_body_bytes: per request, uncompressed.
        max_event_bytes: an event or an update must be smaller than this.
        max_properties: per event.
        max_items: keys of a nested object, or elements of an array.
        max_depth: of objects and arrays inside a property; a flat object is 1.
        max_nested_bytes: of an object or array that is a property's value, as compact JSON.
        events_per_s: average over a rolling minute; 60 times as many may come at once.
        bytes_per_minute: uncompressed, over a rolling minute.
        retry_after_s: sent with each 429; 0 = no such header (Mixpanel documents none).
        gdpr_token: of an owner, for the deletion of people in projects that have a token, never shown; "" =
            nobody may.
        export_zone: the project's time zone. Projects from before 2023 export local time as if it were UTC;
            the default is that of newer ones.
        export_per_hour: queries of a project in a rolling hour.
        export_per_s: the same in a rolling second.
        export_late_s: an event shows in the export so long after it arrived.
        export_merge_late_s: a device's events show under its user so long after the event that tied them.
        export_double_every: every so many events one comes twice; 0 = none.
        export_order: "arrival", or "shuffled", the same for the same events.
        hot_shard_events: of a person on a day; those beyond become `$hotshard_events` in the export.
        engage_strict: how POST /engage with `strict=1` tells that only some updates are valid: status 1 with
            an "error", status 1 with the "count" of the valid ones, status "zero" with an error, or "none".
        query_per_hour: queries for profiles, of a project in a rolling hour.
        query_page_size: profiles of a page.
        blocked_event: a name that the project has blocked: accepted, and absent from the export; "" = none.
    """

    projects: tuple[Project, ...]
    account: str
    password: str = field(repr=False)
    region: str = "us"
    identity: str = "simplified"
    unknown_project_status: int = 401
    clamp_future: bool = True
    max_events: int = 2_000
    max_body_bytes: int = 10_000_000
    max_event_bytes: int = 1_000_000
    max_properties: int = 254
    max_items: int = 254
    max_depth: int = 3
    max_nested_bytes: int = 8_000
    events_per_s: int = 30_000
    bytes_per_minute: int = 2_000_000_000
    retry_after_s: int = 0
    gdpr_token: str = field(default="", repr=False)
    export_zone: str = "UTC"
    export_per_hour: int = 60
    export_per_s: int = 3
    export_late_s: int = 0
    export_merge_late_s: int = 0
    export_double_every: int = 0
    export_order: str = "arrival"
    hot_shard_events: int = 200_000
    engage_strict: str = "error"
    query_per_hour: int = 60
    query_page_size: int = 1_000
    blocked_event: str = ""

    def __post_init__(self) -> None:
        """Refuse invalid values.

        Raises:
            SettingsError: names the first invalid setting and its allowed values.
        """
        for name, allowed in _ALLOWED.items():
            _require_one_of(name, getattr(self, name), allowed)
        for project in self.projects:
            _require_one_of(f"region of project {project.project_id}", project.region, REGIONS)
        for name in COUNTS:
            lowest = 1 if DEFAULTS[name] else 0
            if getattr(self, name) < lowest:
                raise SettingsError(f"{name} must be an integer of at least {lowest}")
        _require_zone(self.export_zone)
        if not (self.projects and self.account and self.password):
            raise SettingsError("projects, account and password must not be empty")

    def project(self, project_id: str) -> Project | None:
        """Return a project of any region; None if it does not exist."""
        return next((project for project in self.projects if project.project_id == project_id), None)

    def project_of_token(self, token: str) -> Project | None:
        """Return the project with this token; None for an empty or unknown one."""
        return next((project for project in self.projects if token and project.token == token), None)

    def changed(self, **changes: Any) -> Self:
        """Return these settings with changes.

        Raises:
            SettingsError: a setting is unknown or cannot change, or a value has the wrong type.
        """
        for name, value in changes.items():
            if name not in CHANGEABLE:
                raise SettingsError(f"no setting {name!r}; these can be changed: {', '.join(CHANGEABLE)}")
            wanted = type(getattr(self, name))
            if type(value) is not wanted:
                raise SettingsError(f"{name} must be of type {wanted.__name__}, not {type(value).__name__}")
        return replace(self, **changes)


_ALLOWED: dict[str, tuple[object, ...]] = {
    "region": REGIONS,
    "identity": IDENTITIES,
    "unknown_project_status": (401, 400),
    "export_order": ORDERS,
    "engage_strict": STRICT_ANSWERS,
}
CHANGEABLE = tuple(item.name for item in fields(Settings) if item.name != "projects")
DEFAULTS = {item.name: item.default for item in fields(Settings)}
COUNTS = tuple(item.name for item in fields(Settings) if item.type is int and item.name not in _ALLOWED)


def _require_one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def _require_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"export_zone must be a time zone such as Europe/Berlin, not {name!r}") from error
