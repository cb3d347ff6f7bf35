"""Send the same records with mixpanel's BufferedConsumer, to the address `import_url`."""

import os
import sys

from mixpanel import BufferedConsumer, Mixpanel, ServiceAccountCredentials

from bench.cpu import measure
from bench.workload import invocations, read


def main() -> None:
    """Measure `argv[1]` events; it sends at most 50 per request."""
    event_count = int(sys.argv[1])
    prepared = invocations(event_count, per_message=100)
    credentials = ServiceAccountCredentials(username="bench", secret="bench", project_id="1")  # noqa: S106  (the sink takes any)
    url = os.environ["MIXPANEL_API_URL"] + "/import"
    consumer = BufferedConsumer(import_url=url, credentials=credentials)
    client = Mixpanel("token", consumer=consumer)

    def send() -> None:
        for event in read(prepared):
            properties = event["properties"]
            person_id, time_s = properties["distinct_id"], properties["time"] // 1000
            client.import_data(None, person_id, event["event"], time_s, properties)
        consumer.flush()

    measure(send, event_count)


if __name__ == "__main__":
    main()
