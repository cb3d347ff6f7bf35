"""Send the events of a file with mixpanel's BufferedConsumer while Mixpanel fails; say what it raised."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from mixpanel import BufferedConsumer, Mixpanel, ServiceAccountCredentials


class _JsonSession(requests.Session):
    """Post the JSON inside the client's form as the body: the simulator reads no forms."""

    def post(self, url: str, data: Any = None, params: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Post what the form field `data` holds."""
        query = {**params, "verbose": data["verbose"]}
        headers = {"Content-Type": "application/json"}
        return super().post(url, data["data"], params=query, headers=headers, **options)


def main() -> None:
    """Record each event of the file `argv[1]` as a page would: count an exception, and go on."""
    with open(sys.argv[1]) as file:  # noqa: PTH123  (as short as the client's own examples)
        events = json.load(file)
    credentials = ServiceAccountCredentials(username="bench", secret="bench", project_id="1")  # noqa: S106  (the simulator's)
    consumer = BufferedConsumer(
        import_url=os.environ["MIXPANEL_API_URL"] + "/import", credentials=credentials
    )
    _point_at_loopback(consumer)
    client = Mixpanel("token", consumer=consumer)
    raised = Counter[str]()
    print("ready", flush=True)
    sys.stdin.read()
    for event in events:
        properties = event["properties"]
        person_id, time_s = properties["distinct_id"], properties["time"] // 1000
        with _counted(raised):
            client.import_data(None, person_id, event["event"], time_s, properties)
    with _counted(raised):
        consumer.flush()
    print(json.dumps({"raised": raised}))


@contextmanager
def _counted(raised: Counter[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  (analytics must not break a page)
        raised[type(error).__name__] += 1


def _point_at_loopback(consumer: BufferedConsumer) -> None:
    """Give the client's session our body, and the retries over http that it has over https."""
    session, own = _JsonSession(), consumer._consumer._session  # noqa: SLF001  (it has no option for this)
    session.mount("http://", own.get_adapter("https://"))
    consumer._consumer._session = session  # noqa: SLF001  (as above)


if __name__ == "__main__":
    main()
