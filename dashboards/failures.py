"""Reads from top to bottom as a diagnosis: what stops payments, who says so, at which amounts, through which peer."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from dashboards.board import Board
from dashboards.graphs import bars, leading, number, ranking, spread
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, Query, Text
from dashboards.query import SAT, increase, m, rate, total
from dashboards.tables import Column, crossed, grid
from deploy.prometheus.rule import exactly
from exporter.payments.labels import PURPOSE, AmountBand, FailureSource, Purpose

_PURPOSE = 'purpose=~"$purpose"'
_KIND = 'kind=~"$kind"'
_MARKED = ((None, "text"), (0.5, ORANGE))


def failures() -> Board:
    """Why payments fail."""
    here = Grid()
    _causes(here)
    _attempts(here)
    _where(here)
    return Board(
        "failures",
        "Lightning payments: why they fail",
        "From top to bottom: what stops payments, what lnd says, which HTLCs fail and who fails them, at which "
        "amounts, through which peer.",
        here,
        more=[_purpose(), _kind()],
    )


def _purpose() -> dashboard.CustomVariable:
    """Payments, rebalances and others, told apart."""
    words = [purpose.value for purpose in Purpose]
    return (
        dashboard.CustomVariable("purpose")
        .label("Purpose")
        .values(",".join(words))
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text="payment", value="payment"))
    )


def _kind() -> dashboard.CustomVariable:
    """The kinds of the purpose that is shown first."""
    kinds = [kind.value for kind in PURPOSE]
    shown = [kind.value for kind, purpose in PURPOSE.items() if purpose is Purpose.PAYMENT]
    return (
        dashboard.CustomVariable("kind")
        .label("Kind")
        .values(",".join(kinds))
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text=shown, value=shown))
    )


def _causes(here: Grid) -> None:
    causes = increase("failed_by_cause_total", _PURPOSE)
    here.row("1. What stops them?")
    failed, done = total(increase("failed_total", _KIND)), total(increase("succeeded_total", _KIND))
    here.add(
        leading(
            Text(
                "Most frequent cause",
                "Of the failed payments within the time shown. own_liquidity: rebalance or open channels. "
                "own_channel: look at the peer. no_route: raise the fee limit. recipient: ask for a new invoice.",
                "locale",
            ),
            total(causes, "cause"),
            "cause",
        ),
        12,
        5,
    )
    here.add(
        number(
            Text("Failed payments", "Within the time shown, of the purposes chosen.", "locale"),
            total(causes),
            decimals=0,
        ),
        6,
        5,
    )
    here.add(
        number(
            Text(
                "Share that fails",
                "Of all that ended within the time shown, refusals and cancellations too, of the kinds chosen.",
                "percentunit",
            ),
            f"{failed} / (({failed} + {done}) > 0)",
            ((None, GREEN), (0.05, ORANGE), (0.6, RED)),
            decimals=1,
            empty="no payments",
        ),
        6,
        5,
    )
    here.add(
        bars(
            Text(
                "Failures per minute, by cause",
                "Since when, and how bad. Good: few, and no cause that stands out.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_by_cause_total', _PURPOSE), 'cause')}", "{{cause}}")],
        ),
        14,
        10,
    )
    here.add(
        ranking(
            Text(
                "Cause",
                "Failed payments within the time shown, by what one can do about it; the documentation of the "
                "metrics tells what helps against each.",
                "locale",
            ),
            [Query(f"sort_desc({total(causes, 'cause')})", "{{cause}}", instant=True)],
        ),
        10,
        10,
    )
    here.row("2. At which amounts, and what does lnd say?")
    here.add(
        crossed(
            Text(
                "Cause by amount",
                "Failed payments within the time shown. No own balance for large amounts is normal; for amounts "
                "below 100k sat it means drained channels.",
                "locale",
            ),
            _all_and_bands("failed_by_cause_total", _PURPOSE, "cause"),
            "cause",
            "Cause",
            steps=_MARKED,
            width=230,
        ),
        24,
        12,
    )
    here.add(
        crossed(
            Text(
                "lnd's reason by amount",
                "What `lncli listpayments` says, of the kinds chosen. It says less than the cause: timeout and "
                "no_route only mean that lnd stopped trying.",
                "locale",
            ),
            _all_and_bands("failed_total", _KIND, "reason"),
            "reason",
            "Reason",
            steps=_MARKED,
            width=230,
        ),
        24,
        9,
    )


def _all_and_bands(metric: str, chosen: str, label: str) -> dict[str, str]:
    """Of each word of a label how many there were, of all amounts and of each band."""
    bands = {band.value: total(increase(metric, chosen, exactly("amount_band", band)), label) for band in AmountBand}
    return {"All": total(increase(metric, chosen), label), **bands}


def _attempts(here: Grid) -> None:
    here.row("3. Which HTLCs fail, and who fails them?")
    failed = "htlc_attempts_failed_total"
    sources = {
        source.value: total(increase(failed, _PURPOSE, exactly("source", source)), "code")
        for source in FailureSource
        if source is not FailureSource.UNKNOWN
    }
    here.add(
        crossed(
            Text(
                "HTLC failures: code by who failed it",
                "Attempts that failed within the time shown. self with temporary_channel_failure: own channels lack "
                "balance. first_hop: a peer does. intermediate: the network, which is normal.",
                "locale",
            ),
            {"All": total(increase(failed, _PURPOSE), "code"), **sources},
            "code",
            "Code",
            steps=_MARKED,
            width=320,
        ),
        24,
        9,
    )
    here.add(
        bars(
            Text(
                "HTLC failures per minute, by who failed it",
                "Good: mostly intermediate. A rise of self or first_hop is a matter of this node.",
                "short",
            ),
            [Query(f"60 * {total(rate(failed, _PURPOSE), 'source')}", "{{source}}")],
        ),
        12,
    )
    here.add(
        spread(
            Text(
                "HTLC attempts per payment",
                "Of finished payments of which all were seen; the more it stands out, the more payments. Good: 1 to "
                "3. 0: nothing was ever sent.",
                "short",
            ),
            f"sum by (le) ({rate('htlc_attempts_per_payment_bucket', _PURPOSE)})",
        ),
        12,
    )
    locked = f"{total(rate('htlc_locked_msat_seconds_total'), 'outcome')} / {SAT}"
    here.add(
        bars(
            Text(
                "Liquidity locked, sat at any moment",
                "Average amount that HTLCs kept locked, by how they ended: what failures cost in liquidity. Good: "
                "failed is the small part.",
                "locale",
            ),
            [Query(locked, "{{outcome}}")],
            colors={"succeeded": GREEN, "failed": RED},
        ),
        24,
    )


def _where(here: Grid) -> None:
    here.row("4. Through which peer?")
    attempts = "peer_htlc_attempts_total"

    def ended(outcome: str) -> str:
        return total(increase(attempts, f'outcome=~"{outcome}"'), "peer")

    everything = total(increase(attempts), "peer")
    blamed = f"{ended('failed_here|failed_at_peer')} / ({everything} > 0)"
    here.add(
        grid(
            Text(
                "Direct peers",
                "HTLC attempts within the time shown by the first hop. Blamed: failed in our channel with the peer "
                "or by the peer itself, not somewhere behind it. Good: below 50 %, from where on an alert tells it.",
                "short",
            ),
            [
                Query(total(m("peer_info"), "peer", "alias")),
                Query(everything),
                Query(ended("settled")),
                Query(ended("failed_here")),
                Query(ended("failed_at_peer")),
                Query(ended("failed_beyond")),
                Query(blamed),
                Query(f"{total(increase('peer_sent_msat_total'), 'peer')} / {SAT}"),
            ],
            [
                Column("alias", "Peer", "string"),
                Column("peer", "Key", "string"),
                Column("Value #B", "Attempts", "short", decimals=0),
                Column("Value #C", "Settled", "short", decimals=0),
                Column("Value #D", "Failed here", "short", decimals=0),
                Column("Value #E", "Failed at peer", "short", decimals=0),
                Column("Value #F", "Failed beyond", "short", decimals=0),
                Column("Value #G", "Blamed", "percentunit", ((None, GREEN), (0.5, RED)), decimals=0),
                Column("Value #H", "Sent, sat", "locale", decimals=0),
            ],
            "peer",
            sort="Attempts",
            empty="no HTLC attempts yet",
        ),
        24,
        10,
    )
