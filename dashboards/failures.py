"""Reads from top to bottom as a diagnosis: what stops payments, who says so, at which amounts, through which peer."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from dashboards.board import Board
from dashboards.build import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Column,
    Grid,
    Query,
    Text,
    grid,
    lines,
    matrix,
    number,
    ranking,
    spread,
)
from dashboards.query import SAT, increase, m, rate, total
from exporter.payments.labels import PURPOSE, Purpose

_PURPOSE = 'purpose=~"$purpose"'
_KIND = 'kind=~"$kind"'


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
    here.add(
        ranking(
            Text(
                "Cause",
                "Failed payments within the time shown, by what one can do about it. own_liquidity: rebalance or open "
                "channels. own_channel: look at the peer. no_route: raise the fee limit. recipient: ask for a new "
                "invoice.",
                "short",
            ),
            [Query(f"sort_desc({total(causes, 'cause')})", "{{cause}}", instant=True)],
            ((None, BLUE),),
        ),
        8,
        10,
    )
    here.add(
        lines(
            Text(
                "Failures per minute, by cause",
                "Since when, and how bad. Good: few, and no cause that stands out.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_by_cause_total', _PURPOSE), 'cause')}", "{{cause}}")],
            stacked=True,
        ),
        12,
        10,
    )
    here.add(
        number(
            Text("Failed payments", "Within the time shown, of the purposes chosen.", "short"),
            total(causes),
            decimals=0,
        ),
        4,
        5,
    )
    failed, done = total(increase("failed_total", _KIND)), total(increase("succeeded_total", _KIND))
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
        4,
        5,
    )
    here.row("2. At which amounts, and what does lnd say?")
    here.add(
        matrix(
            Text(
                "Cause by amount",
                "Failed payments within the time shown. No own balance for large amounts is normal; for amounts "
                "below 100k sat it means drained channels.",
                "short",
            ),
            Query(f"round({total(causes, 'cause', 'amount_band')})"),
            "cause",
            "amount_band",
            ((None, "text"), (1, ORANGE)),
        ),
        12,
    )
    here.add(
        matrix(
            Text(
                "lnd's reason by amount",
                "What `lncli listpayments` says, of the kinds chosen. It says less than the cause: timeout and "
                "no_route only mean that lnd stopped trying.",
                "short",
            ),
            Query(f"round({total(increase('failed_total', _KIND), 'reason', 'amount_band')})"),
            "reason",
            "amount_band",
            ((None, "text"), (1, ORANGE)),
        ),
        12,
    )


def _attempts(here: Grid) -> None:
    here.row("3. Which HTLCs fail, and who fails them?")
    failed = "htlc_attempts_failed_total"
    here.add(
        matrix(
            Text(
                "HTLC failures: code by who failed it",
                "Attempts that failed within the time shown. self with temporary_channel_failure: own channels lack "
                "balance. first_hop: a peer does. intermediate: the network, which is normal.",
                "short",
            ),
            Query(f"round({total(increase(failed, _PURPOSE), 'code', 'source')})"),
            "code",
            "source",
            ((None, "text"), (1, ORANGE)),
        ),
        12,
        9,
    )
    here.add(
        lines(
            Text(
                "HTLC failures per minute, by who failed it",
                "Good: mostly intermediate. A rise of self or first_hop is a matter of this node.",
                "short",
            ),
            [Query(f"60 * {total(rate(failed, _PURPOSE), 'source')}", "{{source}}")],
            stacked=True,
        ),
        12,
        9,
    )
    here.add(
        spread(
            Text(
                "HTLC attempts per payment",
                "Of finished payments of which all were seen; darker is more payments. Good: 1 to 3. 0: nothing was "
                "ever sent.",
                "short",
            ),
            f"sum by (le) ({rate('htlc_attempts_per_payment_bucket', _PURPOSE)})",
        ),
        12,
    )
    locked = f"{total(rate('htlc_locked_msat_seconds_total'), 'outcome')} / {SAT}"
    here.add(
        lines(
            Text(
                "Liquidity locked, sat at any moment",
                "Average amount that HTLCs kept locked, by how they ended: what failures cost in liquidity. Good: "
                "failed is the small part.",
                "locale",
            ),
            [Query(locked, "{{outcome}}")],
            stacked=True,
            colors={"succeeded": GREEN, "failed": RED},
        ),
        12,
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
                Column("Value #G", "Blamed", "percentunit", ((None, GREEN), (0.25, ORANGE), (0.5, RED)), decimals=0),
                Column("Value #H", "Sent, sat", "locale", decimals=0),
            ],
            "peer",
            sort="Attempts",
            empty="no HTLC attempts yet",
        ),
        24,
        10,
    )
