"""Places of first-hop peers: when a peer gets or loses one, and that no total falls or jumps because of it."""

from pathlib import Path
from random import Random

import pytest

from exporter.payments.event import AttemptFailed, AttemptSettled, AttemptStarted, AttemptUnresolved, ChannelsListed
from exporter.payments.labels import Purpose, Source, Unresolved
from exporter.payments.ledger import PEER_COUNTERS, Ledger
from exporter.payments.node import NodeStatus, PeerChannels
from exporter.payments.payment import Attempt
from exporter.payments.peers import FORMER_PEERS, OTHER_PEERS, UNUSED_NS
from exporter.payments.saved import resume, save
from exporter.payments.totals import Counter
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture_view
from exporter.store import Store, codec, encode
from tests.payments.build import IN_FLIGHT, T0, Observer, at, failed, flying, payment, settled

PLACES = 3
BY_PEER = PEER_COUNTERS
KEYS = [f"02{number:064x}" for number in range(12)]
WEEK_S = UNUSED_NS / 1e9


def use_peer(ledger: Ledger, key: str, seconds: float, number: int = 1) -> None:
    """Start an attempt through a peer, and settle it at once."""
    ledger.last_update_ns = at(seconds).wall_ns
    attempt = flying(number)._replace(peer=key)
    ledger.apply([AttemptStarted(attempt), AttemptSettled(settled(attempt), Purpose.PAYMENT)])


def labels(ledger: Ledger) -> set[str]:
    """Return the labels of peers that have series."""
    return {peer for (peer,) in ledger.counters[Counter.PEER_SENT]}


def sent(ledger: Ledger) -> dict[str, int]:
    """Return the number of payments of 1000 sat by label."""
    return {peer: msat // 1_000_000 for (peer,), msat in ledger.counters[Counter.PEER_SENT].items()}


def test_peer_without_a_channel_loses_its_place() -> None:
    """Its totals move to `former`; if it gets a place again it begins at zero."""
    ledger = Ledger(max_peers=2)
    for seconds, key in enumerate("aab"):
        use_peer(ledger, key, seconds)
    use_peer(ledger, "c", 3)
    assert sent(ledger) == {"a": 2, "b": 1, OTHER_PEERS: 1}, "the channels are not known yet"
    ledger.apply([ChannelsListed(frozenset("bc"))])
    use_peer(ledger, "c", 4)
    assert sent(ledger) == {FORMER_PEERS: 2, "b": 1, "c": 1, OTHER_PEERS: 1}
    ledger.apply([ChannelsListed(frozenset("ca"))])
    use_peer(ledger, "a", 5)
    assert sent(ledger) == {FORMER_PEERS: 3, "a": 1, "c": 1, OTHER_PEERS: 1}
    assert sum(ledger.counters[Counter.PEER_ATTEMPTS].values()) == 6


def test_peer_unused_the_longest_loses_its_place_first() -> None:
    """Of those without a channel. A peer is used when an attempt begins or ends."""
    ledger = Ledger(max_peers=3)
    for seconds, key in enumerate("abca"):
        use_peer(ledger, key, seconds)
    ledger.apply([ChannelsListed(frozenset("de"))])
    use_peer(ledger, "d", 9)
    assert labels(ledger) == {"a", "c", "d", FORMER_PEERS}
    use_peer(ledger, "e", 10)
    assert labels(ledger) == {"a", "d", "e", FORMER_PEERS}


def test_peer_unused_for_a_week_loses_its_place() -> None:
    """Also if the channels are not known, or it has one; not a second earlier."""
    ledger = Ledger(max_peers=1)
    use_peer(ledger, "a", 0)
    use_peer(ledger, "b", WEEK_S - 1)
    assert labels(ledger) == {"a", OTHER_PEERS}
    ledger.apply([ChannelsListed(frozenset("ab"))])
    use_peer(ledger, "b", WEEK_S)
    assert labels(ledger) == {"b", OTHER_PEERS, FORMER_PEERS}


def test_peer_with_an_htlc_outstanding_keeps_its_place() -> None:
    """A channel that is force closed isn't listed any more, but still has HTLCs."""
    observer = Observer(ledger=Ledger(max_peers=1))
    observer.receive(payment(IN_FLIGHT, flying(1)._replace(peer="a")), 1)
    observer.apply([ChannelsListed(frozenset())])
    use_peer(observer.ledger, "b", 2 * WEEK_S)
    assert labels(observer.ledger) == {"a", OTHER_PEERS}
    view = capture_view("lnd", observer.tracker, observer.ledger, NodeStatus(), at(3))
    assert view.peers_in_flight == {"a": (1, 1_000_010), OTHER_PEERS: (0, 0)}


def test_former_has_no_gauge() -> None:
    """No HTLC is outstanding through it."""
    ledger = Ledger(max_peers=1)
    ledger.apply([ChannelsListed(frozenset())])
    use_peer(ledger, "a", 1)
    use_peer(ledger, "b", 2)
    view = capture_view("lnd", Tracker(), ledger, NodeStatus(), at(3))
    assert view.peers_in_flight == {"b": (0, 0)}
    assert (FORMER_PEERS,) in view.counters[Counter.PEER_SENT]


class RandomUse:
    """A ledger whose peers are used, and open and close channels, at random."""

    def __init__(self, seed: int) -> None:
        """Start with a new ledger; `seed` decides what happens."""
        self.random = Random(seed)
        self.ledger = Ledger(PLACES)
        self.outstanding: list[Attempt] = []
        self.number = 0  # of the last attempt
        self.ended = 0  # attempts settled or failed
        self.now_ns = T0

    def step(self) -> None:
        """Let time pass, then list channels, or start or end an attempt."""
        self.now_ns += self.random.choice((1, 3600, 86_400)) * 1_000_000_000
        self.ledger.last_update_ns = self.now_ns
        match self.random.randrange(8):
            case 0:
                self.ledger.apply([ChannelsListed(frozenset(self.random.sample(KEYS, self.random.randrange(6))))])
            case 1 | 2 | 3:
                self.number += 1
                attempt = flying(self.number)._replace(peer=self.random.choice(KEYS))
                self.outstanding.append(attempt)
                self.ledger.apply([AttemptStarted(attempt)])
            case _ if self.outstanding:
                self._end(self.outstanding.pop(self.random.randrange(len(self.outstanding))))

    def _end(self, attempt: Attempt) -> None:
        match self.random.randrange(3):
            case 0:
                self.ledger.apply([AttemptUnresolved(attempt, Unresolved.DELETED)])
                return
            case 1:
                self.ledger.apply([AttemptFailed(failed(attempt), Purpose.PAYMENT)])
            case _:
                self.ledger.apply([AttemptSettled(settled(attempt), Purpose.PAYMENT)])
        self.ended += 1

    def restart(self, path: Path) -> None:
        """Save the state to disk, and restore it as another process does."""
        observer = Observer(ledger=self.ledger)
        in_flight = payment(IN_FLIGHT, *self.outstanding)
        tracker = observer.tracker
        tracker.update(in_flight, Source.STREAM, at(0))
        view = capture_view("lnd", tracker, self.ledger, NodeStatus(), at(1))
        saved = save(
            view, tracker, self.ledger, pubkey="", table=0, ended=(), at=at(1), heard=codec.decode_state(OLD).heard
        )
        store = Store(path)
        store.save({"lnd": encode(saved)})
        store.close()
        store = Store(path)
        loaded = store.load("lnd")
        store.close()
        with_channel = self.ledger.peers.with_channel
        self.ledger = Ledger(PLACES)
        assert loaded is not None
        resume(loaded, Tracker(), self.ledger, at(2))
        self.ledger.peers.with_channel = with_channel


OLD = (
    '{"at":[1,1],"pubkey":"","table":0,"peers":["a","b"],"last_update_ns":null,"begun":true,"history_us":0,'
    '"survivors":[],"newest_us":0,"forgotten_us":[],"floor_index":0,"floor_us":0,"by_time":false}'
)
"""The state in a file from before peers could lose their place."""


def test_state_of_an_older_version() -> None:
    """It doesn't contain when its peers were used: their week begins when another peer needs a place."""
    state = codec.decode_state(OLD)
    assert (state.peers, state.peers_used_ns) == (("a", "b"), ())
    ledger = Ledger(max_peers=2)
    ledger.retire(ledger.peers.resume([(peer, 0) for peer in state.peers], []))
    use_peer(ledger, "c", 0)
    use_peer(ledger, "c", WEEK_S - 1)
    assert labels(ledger) == {OTHER_PEERS}
    use_peer(ledger, "c", WEEK_S)
    assert labels(ledger) == {OTHER_PEERS, "c"}


def test_fewer_places_than_before() -> None:
    """The peers unused the longest lose theirs at the start."""
    ledger = Ledger(max_peers=1)
    for key in "ab":
        ledger.counters[Counter.PEER_SENT][key,] = 5
    ledger.retire(ledger.peers.resume([("a", 1), ("b", 2)], []))
    assert ledger.counters[Counter.PEER_SENT] == {(FORMER_PEERS,): 5, ("b",): 5}


@pytest.mark.parametrize("seed", range(20))
def test_no_total_falls_or_jumps(seed: int, tmp_path: Path) -> None:
    """After each step the sum is exact, no series falls, and `other` counts one attempt at most."""
    use = RandomUse(seed)
    before: dict[tuple[str, ...], int] = {}
    for number in range(400):
        if number % 50 == 49:
            use.restart(tmp_path / "state.sqlite")
        else:
            use.step()
        ledger = use.ledger
        series = {(name, *key): n for name in BY_PEER for key, n in ledger.counters[name].items()}
        assert sum(ledger.counters[Counter.PEER_ATTEMPTS].values()) == use.ended
        for name in BY_PEER:
            assert sum(n for key, n in series.items() if key[0] == name) >= sum(
                n for key, n in before.items() if key[0] == name
            )
        gone = {key[1] for key in before.keys() - series.keys()}
        assert len(gone) <= 1, "at most one place is taken in one step"
        assert not gone & {attempt.peer for attempt in use.outstanding[:-1]}
        assert all(series[key] >= n for key, n in before.items() if key in series)
        others = [(key, n) for key, n in series.items() if key[:2] == (Counter.PEER_ATTEMPTS, OTHER_PEERS)]
        assert sum(n - before.get(key, 0) for key, n in others) <= 1
        assert len(labels(ledger) - {OTHER_PEERS, FORMER_PEERS}) <= PLACES
        before = series
    assert FORMER_PEERS in labels(use.ledger)


def test_counting_by_peer_is_switched_off() -> None:
    """Totals are kept. HTLCs in flight by peer are not shown at all, rather than as 0."""
    before = Ledger(PLACES)
    use_peer(before, KEYS[0], 0)
    ledger = Ledger(max_peers=0)
    for counter in BY_PEER:
        ledger.counters[counter].update(before.counters[counter])
    ledger.peers.resume(before.peers.used_ns.items(), [])
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, flying(1)._replace(peer=KEYS[0])), 0)
    view = capture_view("alice", observer.tracker, ledger, NodeStatus(), at(1))
    assert view.in_flight.htlcs == 1
    assert view.peers_in_flight == {}
    assert sent(ledger) == {KEYS[0]: 1}


def rebalance(ledger: Ledger, first: str, back: str, seconds: float) -> None:
    """Settle a rebalance of 1000 sat that leaves through one peer and comes back through another."""
    ledger.last_update_ns = at(seconds).wall_ns
    attempt = flying(1)._replace(peer=first, back_peer=back)
    ledger.apply([AttemptStarted(attempt), AttemptSettled(settled(attempt), Purpose.REBALANCE)])


def test_rebalances_by_the_peer_through_which_they_come_back() -> None:
    """That peer gets a place, too, and its other series begin at 0."""
    ledger = Ledger(PLACES)
    first, back = KEYS[:2]
    rebalance(ledger, first, back, 1)
    assert ledger.counters[Counter.PEER_REBALANCED_IN] == {(back,): 1_000_000}
    assert ledger.counters[Counter.PEER_REBALANCED_IN_FEES] == {(back,): 10}
    assert ledger.counters[Counter.PEER_FEES_BY_PURPOSE] == {
        (first, Purpose.REBALANCE): 10,
        (back, Purpose.REBALANCE): 0,
    }
    assert ledger.counters[Counter.PEER_SENT] == {(first,): 1_000_000, (back,): 0}
    use_peer(ledger, first, 2)
    assert ledger.counters[Counter.PEER_REBALANCED_IN] == {(back,): 1_000_000}


def test_totals_of_rebalances_move_with_the_place() -> None:
    """No sum over all peers falls when peers get the places of others."""
    ledger = Ledger(2)
    rebalance(ledger, KEYS[0], KEYS[1], 1)
    rebalance(ledger, KEYS[2], KEYS[3], 2 + 2 * WEEK_S)
    totals = ledger.counters[Counter.PEER_REBALANCED_IN]
    assert totals == {(FORMER_PEERS,): 1_000_000, (KEYS[3],): 1_000_000}


@pytest.mark.parametrize(
    ("channels", "ratio"),
    [
        (PeerChannels(1), 0),
        (PeerChannels(1, offered=12, offered_limit=30, offered_msat=10, offered_msat_limit=100), 0.4),
        (PeerChannels(1, offered=12, offered_limit=30, offered_msat=90, offered_msat_limit=100), 0.9),
        (PeerChannels(1, offered=2, offered_limit=30).plus(PeerChannels(1, offered=4, offered_limit=10)), 0.15),
    ],
    ids=["no limit is known", "number", "amount", "two channels"],
)
def test_share_of_what_a_peer_accepts(channels: PeerChannels, ratio: float) -> None:
    """It is what the peer says that counts, not what one channel of an lnd takes; whichever limit is nearer."""
    assert channels.offered_ratio == ratio


def test_fees_of_rebalances_begin_at_zero() -> None:
    """With the other series of the peer, so that they can be subtracted from all fees."""
    ledger = Ledger(PLACES)
    use_peer(ledger, KEYS[0], 1)
    assert ledger.counters[Counter.PEER_FEES_BY_PURPOSE] == {(KEYS[0], "rebalance"): 0, (KEYS[0], "payment"): 10}
