"""An answer belongs to its request: whatever a server says when, what counts as confirmed is stored."""

import itertools
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loopback import Request
from tests.peer import Peer, PeerServer
from tests.wire import events_of
from whyness_events.delivery.mixpanel.answers import Reaction, judge
from whyness_events.delivery.mixpanel.service_account import FixedCredentials
from whyness_events.delivery.mixpanel.transport.client import MixpanelPool
from whyness_events.delivery.ports import Answer

PATIENCE_S = 10.0
# All requests are of this size, so that the answer to one would fit any other.
COUNT = 2
TRUE = (200, {"num_records_imported": COUNT})
ENTRIES = [{"index": index, "message": "bad"} for index in range(COUNT)]
REFUSALS = [
    (400, {"num_records_imported": 0, "failed_records": ENTRIES}),
    (403, {"error": "not today"}),
    (429, {"error": "slow down"}),
    (503, {"error": "later"}),
]


@dataclass(frozen=True, slots=True)
class Script:
    """What a server does about one request.

    Args:
        interim: statuses that come before the answer.
        stores: whether it takes the events.
        answer: status and body; None where the connection ends without.
        framing: how the body's end is told.
        is_early: whether it answers before it has read the request.
        in_pieces: whether each byte is a packet of its own.
        is_held: whether the answer waits until the next requests are under way.
        extra: what follows the answer at once.
        ends: whether the connection ends with it; else the next request may come on it.
    """

    interim: Sequence[int]
    stores: bool
    answer: tuple[int, object] | None
    framing: str
    is_early: bool
    in_pieces: bool
    is_held: bool
    extra: bytes
    ends: bool

    def bytes(self) -> tuple[bytes, bytes]:
        """Return the interim answers, and the answer with what follows."""
        interim = b"".join(b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n" % status for status in self.interim)
        return interim, http(*self.answer, self.framing) + self.extra if self.answer else b""


def http(status: int, content: object, framing: str = "length") -> bytes:
    """Return an answer."""
    body = json.dumps(content).encode()
    version = b"1.0" if framing == "HTTP/1.0" else b"1.1"
    head = b"HTTP/%s %d Answer\r\n" % (version, status)
    if framing == "chunked":
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(body[at : at + 5]), body[at : at + 5]) for at in range(0, len(body), 5)
        )
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    kept = b"Connection: close\r\n" if framing == "close" else b"Connection: keep-alive\r\n"
    return head + kept + b"Content-Length: %d\r\n\r\n" % len(body) + body


EXTRAS = [
    b"",
    http(*TRUE),
    http(*TRUE)[:-5],
    http(503, {}),
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"\r\n\r\nnothing of HTTP",
]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Return one that tells the truth about what it stores, if it tells anything."""
    stores = draw(st.booleans())
    answer = TRUE if stores else draw(st.sampled_from(REFUSALS))
    tells = draw(st.sampled_from([True, True, True, False]))
    is_held = tells and draw(st.booleans())
    return Script(
        interim=draw(st.lists(st.sampled_from([100, 101, 102, 103, 199]), max_size=3)),
        stores=stores,
        answer=answer if tells else None,
        framing=draw(st.sampled_from(["length", "close", "HTTP/1.0", "chunked"])),
        is_early=stores and tells and not is_held and draw(st.booleans()),
        in_pieces=draw(st.booleans()),
        is_held=is_held,
        extra=draw(st.sampled_from(EXTRAS)),
        ends=not tells or draw(st.booleans()),
    )


class Storage:
    """A Mixpanel that plays one script after the other, each for the next request.

    Args:
        scripts: in the order of the connections, or of the requests on one that goes on.
    """

    def __init__(self, scripts: Iterable[Script]) -> None:
        self.stored: set[str] = set()
        self._scripts = iter(scripts)
        self._changed = threading.Condition()
        self._taken = self._played = 0
        self._round = 0

    def play(self, peer: Peer) -> None:
        """Serve a connection, for as long as the client brings requests."""
        script, number = self._take()
        if script.is_early:
            self._answer(peer, script, number)
            self._store(script, peer.read_request())
        else:
            self._store(script, peer.read_request())
            self._answer(peer, script, number)
        self._note_played()
        while not script.ends and (request := peer.read_request()):
            script, number = self._take()
            self._store(script, request)
            self._answer(peer, script, number)
            self._note_played()

    def begin_round(self) -> None:
        """Let go of the answers that were held in the round before."""
        with self._changed:
            self._round += 1
            self._changed.notify_all()

    def wait_until_taken(self, count: int) -> None:
        """Wait until so many requests have met their script."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._taken >= count, PATIENCE_S)

    def wait_until_played(self, count: int) -> None:
        """Wait until so many scripts are over."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._played >= count, PATIENCE_S)

    def _note_played(self) -> None:
        with self._changed:
            self._played += 1
            self._changed.notify_all()

    def _take(self) -> tuple[Script, int]:
        with self._changed:
            self._taken += 1
            self._changed.notify_all()
            return next(self._scripts), self._round

    def _store(self, script: Script, request: Request | None) -> None:
        if request and script.stores:
            self.stored.update(event["properties"]["$insert_id"] for event in events_of(request))

    def _answer(self, peer: Peer, script: Script, number: int) -> None:
        interim, final = script.bytes()
        send(peer, interim, in_pieces=script.in_pieces)
        if script.is_held:
            with self._changed:
                assert self._changed.wait_for(lambda: self._round > number, PATIENCE_S)
        send(peer, final, in_pieces=script.in_pieces)


def send(peer: Peer, data: bytes, *, in_pieces: bool) -> None:
    """Send it, each byte as a packet of its own or all at once."""
    step = 1 if in_pieces else max(1, len(data))
    for at in range(0, len(data), step):
        peer.send(data[at : at + step])


@dataclass
class Sender:
    """Sends a request for each script, those of a round at once.

    Args:
        pool: under test.
        storage: Mixpanel.
    """

    pool: MixpanelPool
    storage: Storage
    confirmed: set[str] = field(default_factory=set)
    confirmed_requests: int = 0
    _sent: int = 0

    def send(self, scripts_of_round: Sequence[Script]) -> None:
        """Wait for the answers that come, and leave the others behind."""
        self.storage.begin_round()
        tickets = range(len(scripts_of_round))
        for ticket in tickets:
            events = [{"event": "e", "properties": {"$insert_id": each}} for each in self._ids(ticket)]
            self.pool.submit(ticket, [json.dumps(event).encode() for event in events], PATIENCE_S)
        answers: dict[int, Answer] = {}
        while len(answers) < sum(not script.is_held for script in scripts_of_round):
            found = dict(self.pool.wait(PATIENCE_S))
            assert found, "a whole answer was not heard"
            answers |= found
        for ticket, answer in answers.items():
            self._judge(self._ids(ticket), answer)
        self._sent += len(scripts_of_round)
        self.storage.wait_until_taken(self._sent)
        for ticket in set(tickets) - answers.keys():
            self.pool.abandon(ticket)

    def _ids(self, ticket: int) -> list[str]:
        return [f"{self._sent + ticket}-{at}" for at in range(COUNT)]

    def _judge(self, ids: Sequence[str], answer: Answer) -> None:
        verdict = judge(answer, ids, now_s=0.0)
        if verdict.reaction is Reaction.CONFIRMED:
            passed = {each for index, each in enumerate(ids) if index not in verdict.named}
            self.confirmed |= passed
            self.confirmed_requests += bool(passed)


@settings(max_examples=150)
@given(st.lists(st.lists(scripts(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_counts_as_confirmed_is_stored(rounds: list[list[Script]]) -> None:
    """Late, twice, unasked or in pieces, one request at a time or several: and all that is told is heard."""
    storage = Storage(itertools.chain.from_iterable(rounds))

    with PeerServer(storage.play) as server:
        pool = MixpanelPool(server.url, "123", FixedCredentials("account", "password"))
        sender = Sender(pool, storage)
        for scripts_of_round in rounds:
            sender.send(scripts_of_round)
        storage.begin_round()
        storage.wait_until_played(sum(map(len, rounds)))
        pool.abandon_all()

    told = [s for s in itertools.chain.from_iterable(rounds) if s.stores and s.answer and not s.is_held]
    assert sender.confirmed <= storage.stored
    assert sender.confirmed_requests == len(told)
