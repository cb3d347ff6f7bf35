"""The limits that Mixpanel and AWS set, each with its unit and source, and the day they were checked.

The limits that we chose are beside the code that uses them.
"""

CHECKED = "2026-11-23"


class Limit(int):
    """An integer with the unit and the source of an outside limit."""

    unit: str
    source: str

    def __new__(cls, value: int, unit: str, source: str) -> "Limit":  # noqa: D102, PYI034  (Limit is final)
        limit = super().__new__(cls, value)
        limit.unit = unit
        limit.source = source
        return limit


_IMPORT = "docs.mixpanel.com/reference/import-events"
_DATA_TYPE = "docs.mixpanel.com/docs/data-structure/property-reference/data-type"
_SEND_MESSAGE = "docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"

INSERT_ID_BYTES = Limit(36, "bytes", _IMPORT)
EVENT_NAME_BYTES = Limit(255, "bytes", "docs.mixpanel.com/docs/data-structure/events-and-properties")
DISTINCT_ID_BYTES = Limit(255, "bytes", _DATA_TYPE)
STRING_BYTES = Limit(255, "bytes", _DATA_TYPE)
EARLIEST_TIME_MS = Limit(31_536_000_000, "ms since the epoch (1971-01-01)", _IMPORT)
FUTURE_MS = Limit(3_600_000, "ms ahead of Mixpanel's clock", _IMPORT)
PROPERTY_KEYS = Limit(254, "keys of an event as Mixpanel gets it", _IMPORT)
OBJECT_KEYS = Limit(254, "keys of a nested object", _IMPORT)
ARRAY_ELEMENTS = Limit(254, "elements", _IMPORT)
NESTING_LEVELS = Limit(3, "objects or arrays, one inside the other, in a property's value", _IMPORT)
NESTED_VALUE_BYTES = Limit(8_192, "bytes of JSON of an object or array", _DATA_TYPE)
EVENT_BYTES = Limit(1_000_000, "bytes of JSON, uncompressed", _IMPORT)
REQUEST_BYTES = Limit(10_000_000, "bytes of JSON, uncompressed", _IMPORT)
REQUEST_EVENTS = Limit(2_000, "events", _IMPORT)
SMALLEST_INTEGER = Limit(-(2**63), "", "RFC 8259 section 6: what 64-bit readers can hold")
LARGEST_INTEGER = Limit(2**64 - 1, "", "RFC 8259 section 6: what 64-bit readers can hold")

MESSAGE_BYTES = Limit(1_048_576, "bytes of body and attributes together", _SEND_MESSAGE)
BATCH_BYTES = Limit(1_048_576, "bytes of all entries of one SendMessageBatch", _SEND_MESSAGE)
BATCH_ENTRIES = Limit(10, "entries of one SendMessageBatch", _SEND_MESSAGE)
BILLED_BYTES = Limit(65_536, "bytes that SQS bills as one request", "aws.amazon.com/sqs/pricing")

# Mixpanel refuses them as distinct_id and $insert_id. Compared in lower case. Source: _IMPORT.
PLACEHOLDERS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "anon",
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "<nil>",
        "0",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
        "lmy47d",
    }
)

# Events that change a person's identity irreversibly. Source: docs.mixpanel.com/reference/create-identity
IDENTITY_VERBS = frozenset({"$identify", "$create_alias", "$merge"})

# Property names that Mixpanel reserves. Source: docs.mixpanel.com property-reference/reserved-properties
RESERVED_PROPERTIES = frozenset({"bucket", "token", "ip", "time", "distinct_id", "alias"})
RESERVED_PREFIXES = ("$", "mp_")
# ... and those of them that a caller may set. Source: docs.mixpanel.com server-side-best-practices
CALLERS_PROPERTIES = frozenset(
    {
        "$current_url",
        "$referrer",
        "$referring_domain",
        "$screen_width",
        "$screen_height",
        "$city",
        "$region",
        "mp_country_code",
        "$latitude",
        "$longitude",
    }
)
