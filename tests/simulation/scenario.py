"""Everything that a seed decides, and which version of the function runs when."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulation.mixpanel import OTHER_PROJECT, PROJECT
from tests.simulation.traffic import DAY_S, Publication, make_traffic
from tests.simulation.trouble import Trouble, Window, draw_kinds, make_trouble
from whyness_events.delivery.sending.packing import REQUEST_BYTES
from whyness_events.delivery.settling.exhaust import EXHAUST_AFTER_S, MAX_RECEIVE_COUNT

IMPATIENT_S = 1_800.0
_IMPATIENT_PART = 0.1
# A queue whose own redrive policy strikes within a run: some 20 hours after the first receive.
_FEW_RECEIVES = 60
# From here on the newer reader runs for good.
NEWER_FROM_PART = 0.9


@dataclass(frozen=True, slots=True)
class Version:
    """One deployment of the function.

    Args:
        project_id: of Mixpanel.
        reads_newer: whether it knows messages of the next schema version.
        identity: its own mode, for messages without a stamp.
        exhaust_after_s: its setting.
        request_bytes: what a new container begins with; a small one makes many requests of few events.
    """

    project_id: str
    reads_newer: bool
    identity: str
    exhaust_after_s: float
    request_bytes: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a seed decides.

    Args:
        seed: where it came from.
        draws: seeds what is drawn on the way.
        days: of traffic and trouble.
        publications: by time.
        windows: of trouble.
        slots: how many invocations at once.
        request_bytes: see Version.
        batch_size: messages of an invocation.
        unknown_project_status: Mixpanel's answer to a wrong project id.
        exhaust_after_s: see Version.
        max_receive_count: of the queue's redrive policy.
    """

    seed: int
    draws: int
    days: float
    publications: Sequence[Publication]
    windows: Sequence[Window]
    slots: int
    request_bytes: int
    batch_size: int
    unknown_project_status: int
    exhaust_after_s: float
    max_receive_count: int

    def version(self, trouble: Trouble, passed_s: float) -> Version:
        """Return what is deployed."""
        is_changed = trouble.open("changed default") is not None
        is_newer = trouble.open("newer reader") is not None or passed_s >= self.newer_from_s
        return Version(
            OTHER_PROJECT if trouble.open("wrong project") else PROJECT,
            is_newer,
            "simplified" if is_changed else "distinct_id",
            IMPATIENT_S if is_changed else self.exhaust_after_s,
            3_000 if is_changed else self.request_bytes,
        )

    @property
    def newer_from_s(self) -> float:
        """Seconds from the start on which the newer reader runs for good."""
        return self.days * DAY_S * NEWER_FROM_PART


def make_scenario(seed: int, days: float) -> Scenario:
    """Return the scenario of a seed."""
    rng = random.Random(f"{seed}/{days}")  # noqa: S311  (a script)
    kinds = draw_kinds(rng)
    publications = make_traffic(rng, kinds, days)
    return Scenario(
        seed,
        seed,
        days,
        publications,
        make_trouble(rng, kinds, days, [publication.at_s for publication in publications]),
        slots=rng.randint(1, 4),
        request_bytes=rng.choice([REQUEST_BYTES, REQUEST_BYTES, 6_000, 1_500]),
        batch_size=rng.choice([10, 30, 100]),
        unknown_project_status=rng.choice([400, 401]),
        exhaust_after_s=IMPATIENT_S if rng.random() < _IMPATIENT_PART else EXHAUST_AFTER_S,
        max_receive_count=_FEW_RECEIVES if "poison" in kinds else MAX_RECEIVE_COUNT,
    )
