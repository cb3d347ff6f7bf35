"""Measure a page that is requested at a rate, in this process; print a line of JSON.

Several processes begin together: they print `ready`, and begin when their standard input ends.
"""

import json
import random
import sys
import time

from bench.django_site import configure, insert_id, request, wait_until_published

_WARM_UP_NUMBER, _WARM_UP_REQUESTS = 1_000_000, 5


def main() -> None:
    """Request page `argv[1]` `argv[2]` times in `argv[3]` seconds, at random times from seed `argv[4]`."""
    configure()
    page, count, length_s, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    for number in range(_WARM_UP_REQUESTS):
        request(page, _WARM_UP_NUMBER + number, 1)
    wait_until_published()
    claims_s = _time_claims()
    print("ready", flush=True)
    sys.stdin.read()
    cpu_s = time.process_time()
    committed = _ask(page, _arrivals(count, length_s, seed))
    wait_until_published()
    cpu_s = time.process_time() - cpu_s
    print(json.dumps({"cpu_s": cpu_s, "committed": committed, "claims_s": claims_s}))


def _arrivals(count: int, length_s: float, seed: int) -> list[float]:
    """Return random arrival times."""
    rng = random.Random(seed)  # noqa: S311  (traffic)
    return sorted(rng.uniform(0, length_s) for _ in range(count))


def _ask(page: str, arrivals_s: list[float]) -> dict[str, float]:
    """Return the commit time of each event by its insert id, on the clock that all processes share."""
    committed: dict[str, float] = {}
    began_s = time.monotonic()
    for number, at_s in enumerate(arrivals_s):
        time.sleep(max(0.0, began_s + at_s - time.monotonic()))
        request(page, number, 1)
        committed[insert_id(number)] = time.monotonic()
    return committed


def _time_claims() -> list[float]:
    """Return a list that collects how long the claims of this process take."""
    from whyness_mixpanel.publishing import outbox  # noqa: PLC0415  (after django.setup())

    claim, claims_s = outbox.claim_oldest, list[float]()

    def timed(*arguments: object, **options: object) -> object:
        began_s = time.perf_counter()
        try:
            return claim(*arguments, **options)  # type: ignore[arg-type]  # as they come
        finally:
            claims_s.append(time.perf_counter() - began_s)

    for module in [module for name, module in sys.modules.items() if name.startswith("whyness_mixpanel.")]:
        if vars(module).get("claim_oldest") is claim:
            vars(module)["claim_oldest"] = timed
    return claims_s


if __name__ == "__main__":
    main()
