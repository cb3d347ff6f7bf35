"""Data: the cases of the probe that are about requests as a whole."""

from whyness_ops.probe.case import ABSENT, Ahead, Case, Request, Sent, refused, taken
from whyness_ops.probe.sources import DEDUPLICATION, EXPORT, IMPORT, LOADER, OURS


def requests() -> list[Case]:
    """Return those about modes, forms and credentials."""
    good, bad = Sent(), Sent({"time": Ahead(7_200)})
    bare = Sent({"distinct_id": ABSENT, "$insert_id": ABSENT})
    lenient, identify = {"strict": "0"}, Sent(event="$identify")

    def one(name: str, source: str, request: Request) -> Case:
        return Case(name, source, (request,))

    return [
        one("strict=0", IMPORT, Request((good,), answer="200, 1", query=lenient)),
        one("strict=0, no ids", DEDUPLICATION, Request((bare,), answer="200, 1", query=lenient)),
        one("strict=0, 2 hours ahead", IMPORT, Request((bad,), answer="200, 0", query=lenient)),
        one("a good and a bad event", IMPORT, Request((good, bad), {1: "properties.time"})),
        one("gzip", IMPORT, Request((good,), form="gzip")),
        one("gzip cut short", OURS, Request((good,), answer="400", form="broken gzip")),
        one("another encoding", OURS, Request((good,), answer="400", form="deflate")),
        one("JSON lines", IMPORT, Request((good, good), form="lines")),
        one("no events", OURS, Request((), answer="400")),
        one("an object, no array", OURS, Request((good,), answer="400", form="object")),
        one("$identify", LOADER, Request((good, identify), answer="400, 0 imported, refused the request")),
        one("unknown project", IMPORT, Request((good,), answer="401", query={"project_id": "999999999999"})),
        one("no project_id", IMPORT, Request((good,), answer="401", query={"project_id": ABSENT})),
        one("wrong password", IMPORT, Request((good,), answer="401", has_wrong_password=True)),
    ]


def sizes() -> list[Case]:
    """Return those about sizes."""

    def large(size: int) -> Sent:
        return Sent({"text": "x" * size}, stored={"text": "x" * 255})

    too_many = Request((Sent(),) * 2_001, answer="400")
    return [
        taken("event of 900 kB", IMPORT, large(900_000)),
        refused("event of 1 MB", IMPORT, "event", large(1_000_000)),
        Case("2,001 events", IMPORT, (too_many,)),
        taken("request of 3 MB", IMPORT, *[large(600_000)] * 5),
        Case("request of 10.1 MB", OURS, (Request((large(505_000),) * 20, answer="413"),)),
        Case("request of 12 MB", IMPORT, (Request((large(600_000),) * 20, answer="413"),)),
        taken("what the export adds", EXPORT, Sent(stored={"$import": True})),
    ]
