"""The second dashboard, a diagnosis from top to bottom: causes, failing nodes, amounts, peers."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from dashboards.board import Board
from dashboards.graphs import bars, leading, number, ranking
from dashboards.htlcs import attempts, peers
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, Query, Text
from dashboards.query import KIND, OUTAGE, PURPOSE, TARGET, increase, rate, total
from dashboards.tables import MARKED, crossed
from deploy.prometheus.rule import exactly
from exporter.payments.labels import PURPOSE as OF_KIND
from exporter.payments.labels import AmountBand, Purpose


def failures() -> Board:
    """Return the dashboard 'Why payments fail'."""
    here = Grid()
    _causes(here)
    attempts(here)
    peers(here)
    return Board(
        "failures",
        "Lightning payments: why they fail",
        "From top to bottom: what stops payments, what lnd says, which HTLCs fail and who fails them, at which "
        "amounts, through which peer.",
        here,
        more=[_purpose()],
    )


def _purpose() -> dashboard.CustomVariable:
    """Return the variable that selects payments, rebalances or others; each value also stands for its kinds."""
    chosen = {
        purpose.value: "|".join(
            dict.fromkeys([purpose.value, *(k.value for k, of in OF_KIND.items() if of is purpose)])
        )
        for purpose in Purpose
    }
    first = Purpose.PAYMENT.value
    return (
        dashboard.CustomVariable("purpose")
        .label("Purpose")
        .values(",".join(f"{name} : {value}" for name, value in chosen.items()))
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text=first, value=chosen[first]))
    )


def _causes(here: Grid) -> None:
    causes = increase("failed_by_cause_total", PURPOSE)
    here.row("1. What stops them?")
    failed, done = total(increase("failed_total", KIND)), total(increase("succeeded_total", KIND))
    here.add(
        leading(
            Text(
                "Most frequent cause",
                "Of the failed payments within the time shown. own_liquidity: rebalance or open channels. "
                "own_inactive, own_channel: look at the peers. no_route: raise the fee limit. recipient: ask for a new "
                "invoice. recipient_unreachable, recipient_liquidity: tell the recipient.",
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
                "Of all that ended within the time shown, refusals and cancellations too, of the purposes chosen.",
                "percentunit",
            ),
            f"{failed} / (({failed} + {done}) > 0)",
            ((None, GREEN), (1 - TARGET, ORANGE), (1 - OUTAGE, RED)),
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
            [Query(f"60 * {total(rate('failed_by_cause_total', PURPOSE), 'cause')}", "{{cause}}")],
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
            _all_and_bands("failed_by_cause_total", PURPOSE, "cause"),
            "cause",
            "Cause",
            steps=MARKED,
            width=230,
        ),
        24,
        12,
    )
    here.add(
        crossed(
            Text(
                "lnd's reason by amount",
                "What `lncli listpayments` says, of the purposes chosen. It says less than the cause: timeout and "
                "no_route only mean that lnd stopped trying.",
                "locale",
            ),
            _all_and_bands("failed_total", KIND, "reason"),
            "reason",
            "Reason",
            steps=MARKED,
            width=230,
        ),
        24,
        9,
    )


def _all_and_bands(metric: str, chosen: str, label: str) -> dict[str, str]:
    """Return queries for the number of each label value: of all amounts, and of each band."""
    bands = {band.value: total(increase(metric, chosen, exactly("amount_band", band)), label) for band in AmountBand}
    return {"All": total(increase(metric, chosen), label), **bands}
