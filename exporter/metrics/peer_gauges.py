"""The names of the gauges by peer, and how each is read."""

from exporter.metrics.row import GaugeRow, Row, Samples
from exporter.payments.labels import PeerChannelState
from exporter.payments.view import View
from exporter.text import sanitize


def _peers(view: View, which: int) -> Samples:
    return [((peer,), in_flight[which]) for peer, in_flight in view.peers_in_flight.items()]


def _peer_info(view: View) -> Samples:
    aliases = view.status.aliases
    return [((peer, sanitize(aliases[peer])), 1) for peer in view.peers_in_flight if aliases.get(peer)]


def _channels(view: View, field: str) -> Samples:
    return [((peer,), getattr(channels, field)) for peer, channels in view.peer_channels.items()]


def _channel_states(view: View) -> Samples:
    return [
        ((peer, state), getattr(channels, state.value))
        for peer, channels in view.peer_channels.items()
        for state in PeerChannelState
    ]


PEERS: tuple[Row, ...] = (
    GaugeRow(
        "lnd_payments_peer_in_flight_htlcs",
        {"peer": None},
        lambda view: _peers(view, 0),
        "HTLC attempts outstanding through a peer (Hop.pub_key of the first of Route.hops).",
    ),
    GaugeRow(
        "lnd_payments_peer_in_flight_msat",
        {"peer": None},
        lambda view: _peers(view, 1),
        "Amount of the HTLC attempts outstanding through a peer, fees included (Route.total_amt_msat).",
    ),
    GaugeRow(
        "lnd_payments_peer_info",
        {"peer": None, "alias": None},
        _peer_info,
        "Always 1; the alias of a peer (Channel.peer_alias of ListChannels), where it is known.",
    ),
    GaugeRow(
        "lnd_payments_peer_channels",
        {"peer": None, "state": PeerChannelState},
        _channel_states,
        "Open channels with a peer (Channel.active of ListChannels).",
    ),
    GaugeRow(
        "lnd_payments_peer_spendable_msat",
        {"peer": None},
        lambda view: _channels(view, "spendable_msat"),
        "Local balance of the active channels with a peer less their reserves (Channel.local_balance).",
    ),
    GaugeRow(
        "lnd_payments_peer_receivable_msat",
        {"peer": None},
        lambda view: _channels(view, "receivable_msat"),
        "Remote balance of the active channels with a peer less their reserves (Channel.remote_balance).",
    ),
    GaugeRow(
        "lnd_payments_peer_offered_ratio",
        {"peer": None},
        lambda view: [((peer,), channels.offered_ratio) for peer, channels in view.peer_channels.items()],
        "HTLCs that the node has offered to a peer, as a share of what it accepts: of their number or of their amount, "
        "whichever is more (Channel.pending_htlcs, local_constraints).",
    ),
)
