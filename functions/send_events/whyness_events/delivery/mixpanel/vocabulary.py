"""Mixpanel's own words, which may be shown from an answer even if the request contained them."""

from whyness_events import limits

# The properties that the translation sets, and Mixpanel's properties that a caller may set.
OWN_NAMES = frozenset(
    {
        "time",
        "ip",
        "distinct_id",
        "$insert_id",
        "$user_id",
        "$device_id",
        "$browser",
        "$browser_version",
        "$device",
        "$os",
        "$os_version",
        "useragent",
        "data",
        "prospect",
        "mp_lib",
        "$lib_version",
    }
    | limits.CALLERS_PROPERTIES
)
# The values of `field` in an entry of failed_records.
FIELDS = frozenset({"event", "properties"} | OWN_NAMES | {f"properties.{name}" for name in OWN_NAMES})

# Source: the OpenAPI file, docs.mixpanel.com/reference/import-events and troubleshooting/errors, 2026-11-23;
# and answers quoted in issues of public clients.
_MESSAGES = """
Some data points in the request failed validation.
must be specified as seconds since epoch
must not be missing or blank
must not be in the future
must only contain alphanumeric or hyphen characters
is invalid: string should be valid utf8
Invalid credentials
request exceeds max limit of 2097152 bytes
Project exceeded rate limits. Please retry the request with exponential backoff.
identity events are not allowed when project is using simplified identity management
project_id parameter is required
Bad Request, Unauthorized, Forbidden, Not Found, Request Entity Too Large, Too Many Requests
"""
_SMALL_WORDS = "a an and are as at by cannot for has have it no not of on or than that the this to was"
_PARTS_OF_NAMES = " ".join(FIELDS).replace("_", " ").replace("$", " ").replace(".", " ")
WORDS = FIELDS | {
    word.strip(".,:").lower()
    for text in (_MESSAGES, _SMALL_WORDS, _PARTS_OF_NAMES, "mixpanel")
    for word in text.split()
}
