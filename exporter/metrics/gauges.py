"""The names of all gauges, and how each is read; an unknown value has no sample, because 0 would be wrong."""

import platform

from exporter import __version__
from exporter.metrics.row import ExporterRow, GaugeRow, Row, Samples
from exporter.payments.labels import Age, BlocksLeft, ChannelState, Mode, NodeState, Purpose, Reset
from exporter.payments.payment import NS_PER_S
from exporter.payments.view import View
from exporter.text import sanitize

_US_PER_S = 10**6


def _single(value: float | None) -> Samples:
    return () if value is None else (((), value),)


def _node_state(view: View) -> Samples:
    return [((state,), float(state is view.status.state)) for state in NodeState]


def _node_info(view: View) -> Samples:
    if info := view.status.info:
        return [((sanitize(info.alias), sanitize(info.pubkey), sanitize(info.version), sanitize(info.network)), 1)]
    return ()


def _node_channels(view: View) -> Samples:
    if info := view.status.info:
        return [
            ((ChannelState.ACTIVE,), info.channels_active),
            ((ChannelState.INACTIVE,), info.channels_inactive),
            ((ChannelState.PENDING,), info.channels_pending),
        ]
    return ()


def _runs(view: View) -> Samples:
    """Return payments by age; in `Mode.FINAL` without young ones, which the listing once a minute may miss."""
    young = (Age.UNDER_1M, Age.UNDER_10M) if view.status.mode is Mode.FINAL else ()
    return [(labels, runs) for labels, runs in view.in_flight.runs.items() if labels[1] not in young]


def _held(view: View, which: int) -> Samples:
    return [((band,), held[which]) for band, held in (view.in_flight.held or {}).items()]


IN_FLIGHT: tuple[Row, ...] = (
    GaugeRow(
        "lnd_payments_in_flight",
        {"purpose": Purpose, "age": Age},
        _runs,
        "Payments started and not yet counted as finished, by age since Payment.creation_time_ns.",
    ),
    GaugeRow(
        "lnd_payments_in_flight_msat",
        {},
        lambda view: _single(view.in_flight.msat),
        "Amount of the payments in flight, fees not included (Payment.value_msat).",
    ),
    GaugeRow(
        "lnd_payments_in_flight_given_up",
        {},
        lambda view: _single(view.in_flight.given_up),
        "Payments in flight with a Payment.failure_reason: lnd makes no more attempts, but they may yet succeed.",
    ),
    GaugeRow(
        "lnd_payments_in_flight_given_up_msat",
        {},
        lambda view: _single(view.in_flight.given_up_msat),
        "Amount of the payments in flight with a Payment.failure_reason (Payment.value_msat).",
    ),
    GaugeRow(
        "lnd_payments_in_flight_stalled",
        {},
        lambda view: _single(view.in_flight.stalled),
        "Payments in flight with no HTLCAttempt in flight and no news for 10 minutes: stuck in lnd.",
    ),
    GaugeRow(
        "lnd_payments_in_flight_oldest_timestamp_seconds",
        {},
        lambda view: _single(None if view.in_flight.oldest_us is None else view.in_flight.oldest_us / _US_PER_S),
        "Creation of the oldest payment in flight (Payment.creation_time_ns); absent without one.",
    ),
    GaugeRow(
        "lnd_payments_in_flight_htlcs",
        {},
        lambda view: _single(view.in_flight.htlcs),
        "HTLC attempts outstanding (HTLCAttempt.status IN_FLIGHT).",
    ),
    GaugeRow(
        "lnd_payments_in_flight_htlcs_msat",
        {},
        lambda view: _single(view.in_flight.htlcs_msat),
        "Amount of the HTLC attempts outstanding, fees included (Route.total_amt_msat).",
    ),
    GaugeRow(
        "lnd_payments_in_flight_ghost_htlcs",
        {},
        lambda view: _single(view.ghosts and view.ghosts[0]),
        "HTLC attempts in flight that have not been on their open channel for 10 minutes (Channel.pending_htlcs).",
    ),
    GaugeRow(
        "lnd_payments_in_flight_ghost_htlcs_msat",
        {},
        lambda view: _single(view.ghosts and view.ghosts[1]),
        "Amount of the HTLC attempts in flight that are not on their channel, fees included (Route.total_amt_msat).",
    ),
    GaugeRow(
        "lnd_payments_held_htlcs",
        {"blocks_left": BlocksLeft},
        lambda view: _held(view, 0),
        "HTLC attempts outstanding for more than 30 minutes, by blocks from GetInfo.block_height to "
        "Route.total_time_lock, when lnd must go on chain.",
    ),
    GaugeRow(
        "lnd_payments_held_htlcs_msat",
        {"blocks_left": BlocksLeft},
        lambda view: _held(view, 1),
        "Amount of the HTLC attempts outstanding for more than 30 minutes, fees included (Route.total_amt_msat).",
    ),
    GaugeRow(
        "lnd_payments_held_earliest_expiry_height",
        {},
        lambda view: _single(view.in_flight.earliest_expiry_height),
        "Lowest Route.total_time_lock of the HTLC attempts outstanding for more than 30 minutes; absent without one.",
    ),
)

NODE: tuple[Row, ...] = (
    GaugeRow(
        "lnd_payments_node_up",
        {},
        lambda view: _single(view.status.state is NodeState.READY),
        "1 if lnd answers and lets us in, else 0; lnd_payments_node_state says why.",
    ),
    GaugeRow(
        "lnd_payments_node_state",
        {"state": NodeState},
        _node_state,
        "1 for the present state of the node, else 0 (lnrpc.State and what lnd answers).",
    ),
    GaugeRow(
        "lnd_payments_node_info",
        {"alias": None, "pubkey": None, "version": None, "network": None},
        _node_info,
        "Always 1; alias, identity_pubkey, version and chains[0].network of the last answer of GetInfo.",
    ),
    GaugeRow(
        "lnd_payments_node_block_height",
        {},
        lambda view: _single(view.status.block_height),
        "Block height of the node (GetInfo.block_height).",
    ),
    GaugeRow(
        "lnd_payments_node_best_header_timestamp_seconds",
        {},
        lambda view: _single((view.status.info and view.status.info.best_header_s) or None),
        "Time stamp of the best block header that the node knows (GetInfo.best_header_timestamp).",
    ),
    GaugeRow(
        "lnd_payments_node_synced_to_chain",
        {},
        lambda view: _single(view.status.info.synced_to_chain if view.status.info else None),
        "1 if the node's wallet follows the best chain, else 0 (GetInfo.synced_to_chain).",
    ),
    GaugeRow(
        "lnd_payments_node_synced_to_graph",
        {},
        lambda view: _single(view.status.info.synced_to_graph if view.status.info else None),
        "1 if the node knows the public channels well enough to find routes, else 0 (GetInfo.synced_to_graph).",
    ),
    GaugeRow(
        "lnd_payments_node_channels",
        {"state": ChannelState},
        _node_channels,
        "Channels of the node (GetInfo.num_active_channels, num_inactive_channels, num_pending_channels).",
    ),
    GaugeRow(
        "lnd_payments_node_spendable_msat",
        {},
        lambda view: _single(view.status.channels.spendable_msat if view.status.channels else None),
        "Local balance of active channels less their reserves (Channel.local_balance, local_constraints of "
        "ListChannels); absent where the macaroon does not allow it.",
    ),
    GaugeRow(
        "lnd_payments_node_inactive_msat",
        {},
        lambda view: _single(view.status.channels.inactive_msat if view.status.channels else None),
        "Local balance of inactive channels, whose peers are offline, less their reserves (Channel.local_balance, "
        "local_constraints of ListChannels); absent where the macaroon does not allow it.",
    ),
    GaugeRow(
        "lnd_payments_node_certificate_expiry_timestamp_seconds",
        {},
        lambda view: _single(view.status.certificate_expiry_s),
        "End of validity of the configured TLS certificate of lnd (tls.cert).",
    ),
    GaugeRow(
        "lnd_payments_stream_up",
        {},
        lambda view: _single(view.status.stream_up),
        "1 if updates from lnd are flowing, or would flow if there were any, else 0.",
    ),
    GaugeRow(
        "lnd_payments_mode",
        {"mode": Mode},
        lambda view: [((mode,), float(mode is view.status.mode)) for mode in Mode if view.status.mode],
        "1 for how payments are followed, else 0: all by one stream (TrackPayments), which may be asked for final "
        "updates only, or each by its own (TrackPaymentV2).",
    ),
    GaugeRow(
        "lnd_payments_last_update_timestamp_seconds",
        {},
        lambda view: _single(None if view.last_update_ns is None else view.last_update_ns / NS_PER_S),
        "Receipt of the last snapshot of a payment; absent before the first one. A quiet node is not a dead one.",
    ),
    GaugeRow(
        "lnd_payments_audit_unaccounted",
        {},
        lambda view: _single(view.status.unaccounted),
        "Payments that ended in lnd's database and were in no counter, found by the audit in its present or last round;"
        " they are counted then. Anything but 0 is a bug.",
    ),
    GaugeRow(
        "lnd_payments_catching_up",
        {},
        lambda view: _single(view.status.catching_up),
        "1 while lnd is being asked (ListPayments, TrackPaymentV2) for what was missed, else 0.",
    ),
)

EXPORTER: tuple[Row, ...] = (
    ExporterRow(
        "lnd_payments_exporter_checkpoint_timestamp_seconds",
        {},
        lambda exporter: _single(exporter.checkpoint_s),
        "When the state on disk was last all that is shown here; no sample if nothing is kept on disk.",
    ),
    ExporterRow(
        "lnd_payments_exporter_checkpoint_failures_total",
        {},
        lambda exporter: _single(exporter.checkpoint_failures),
        "Attempts to write the state to disk that failed or took too long, and to read it for the audit that failed,"
        " since this process was started.",
        counter=True,
    ),
    ExporterRow(
        "lnd_payments_exporter_state_resets_total",
        {"cause": Reset},
        lambda exporter: [((cause.value,), times) for cause, times in exporter.state_resets.items()],
        "How often counters began at zero again or went back, because the state on disk could not be used or was an"
        " older one.",
        counter=True,
    ),
    ExporterRow(
        "lnd_payments_exporter_config_last_reload_successful",
        {},
        lambda exporter: _single(exporter.reload.successful),
        "1 if the last reload of the configuration was successful, or there was none since the start, else 0.",
    ),
    ExporterRow(
        "lnd_payments_exporter_config_last_reload_success_timestamp_seconds",
        {},
        lambda exporter: _single(exporter.reload.success_s),
        "When the configuration was last loaded successfully, by the start or by a reload.",
    ),
    ExporterRow(
        "lnd_payments_exporter_build_info",
        {"version": None, "python": None},
        lambda _: [((__version__, platform.python_version()), 1)],
        "Always 1; version of the exporter, and of the Python that runs it.",
    ),
)
