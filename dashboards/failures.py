"""The second dashboard, a diagnosis from top to bottom: causes, failing nodes, amounts, peers."""

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import dashboard as model

from dashboards.board import Board
from dashboards.graphs import bars, leading, number, two
from dashboards.htlcs import attempts
from dashboards.layout import Grid
from dashboards.panel import BLACK, GREEN, ORANGE, RED, Query, Text
from dashboards.peers import peers
from dashboards.query import KIND, OUTAGE, PURPOSE, TARGET, increase, m, rate, total
from dashboards.tables import MARKED, Column, crossed, grid, named
from dashboards.words import ADVICE, CAUSES, CHECK_ADVICE, CHECKS, EACH_TRY, IN_THE_END, REASONS
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
    mended = total(increase("failed_made_good_total", KIND))
    here.add(
        leading(
            Text(
                "Most frequent cause",
                "Of the failed payments within the time shown. The table below tells what helps, and which ones they "
                "were.",
                "locale",
            ),
            total(causes, "cause"),
            "cause",
            CAUSES,
        ),
        11,
        5,
    )
    here.add(
        number(
            Text(
                "Failed payments",
                "Within the time shown, of the purposes chosen. `lnd-payments-exporter ended --failed` lists them.",
                "locale",
            ),
            total(causes),
            decimals=0,
        ),
        5,
        5,
    )
    here.add(
        two(
            Text(
                "Share that fails",
                "Of all that ended within the time shown, refusals and cancellations too, of the purposes chosen. "
                f"{EACH_TRY}: every payment that failed. {IN_THE_END}: without those whose invoice a later try paid; "
                "keysends, AMP and probes have no later try. Both of the same number of payments.",
                "percentunit",
            ),
            Query(f"{failed} / (({failed} + {done}) > 0)", EACH_TRY),
            Query(f"clamp_min({failed} - ({mended} or 0 * {failed}), 0) / (({failed} + {done}) > 0)", IN_THE_END),
            ((None, GREEN), (1 - TARGET, ORANGE), (1 - OUTAGE, RED)),
            decimals=1,
            empty="no payments",
        ),
        8,
        5,
    )
    here.add(_advice(total(causes, "cause"), total(causes)), 24, 9)
    here.add(
        bars(
            Text(
                "Failures per minute, by cause",
                "Since when, and how bad. Good: few, and no cause that stands out. Red and orange are this node, blue "
                "and purple the network, yellow the recipients.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_by_cause_total', PURPOSE), 'cause')}", "{{cause}}")],
            colors=CAUSES,
        ),
        13,
        9,
    )
    here.add(_checks(), 11, 9)
    here.row("2. At which amounts, and what does lnd say?")
    here.add(
        crossed(
            Text(
                "Cause by amount",
                "Failed payments within the time shown. No own balance for large amounts is normal; for amounts "
                "below 100k sat it means drained channels. `lnd-payments-exporter ended --cause=own_liquidity "
                "--min-sat=100000` lists such payments, `why HASH` explains one.",
                "locale",
            ),
            _all_and_bands("failed_by_cause_total", PURPOSE, "cause"),
            "cause",
            "Cause",
            steps=MARKED,
            width=230,
            colors=CAUSES,
        ),
        24,
        12,
    )
    here.add(
        crossed(
            Text(
                "lnd's reason by amount",
                "What `lncli listpayments` says, of the purposes chosen. It says less than the cause: timeout and "
                "no_route only mean that lnd stopped trying. `lnd-payments-exporter ended --reason=timeout --since=1h` "
                "lists such payments, `why HASH` explains one.",
                "locale",
            ),
            _all_and_bands("failed_total", KIND, "reason"),
            "reason",
            "Reason",
            steps=MARKED,
            width=230,
            colors=REASONS,
        ),
        24,
        9,
    )


def _advice(causes: str, everything: str) -> table.Panel:
    """Return the table of causes: how many, what helps, and the command that lists these payments."""
    listed = (
        f'label_replace({causes} > 0, "command", "lnd-payments-exporter ended --cause=$1 --since=$__range", '
        '"cause", "(.+)")'
    )
    return grid(
        Text(
            "Cause",
            "Failed payments within the time shown. The command, run on the exporter's machine, lists those "
            "of a cause, of all purposes (--kind=invoice: only these); --since counts from now. "
            "`lnd-payments-exporter why HASH` then explains one of them.",
            "locale",
        ),
        [
            Query(f'label_replace({listed}, "advice", "$1", "cause", "(.+)")'),
            Query(f"{causes} / on () group_left () ({everything} > 0) > 0"),
        ],
        [
            Column("cause", "Cause", "string", width=200, words=named(CAUSES)),
            Column("Value #A", "Failed", "locale", decimals=0, width=90),
            Column("Value #B", "Share", "percentunit", decimals=0, width=80),
            Column("advice", "What helps", "string", words={word: (text, BLACK) for word, text in ADVICE.items()}),
            Column("command", "Which ones? Then: lnd-payments-exporter why HASH", "string", width=680, copied=True),
        ],
        "cause",
        sort="Failed",
        empty="no failed payments",
    )


def _checks() -> table.Panel:
    """Return the table of what lnd finds about payments without a route.

    Only invoices are checked, so there is nothing to show if the purpose `payment` isn't chosen.
    """
    chosen = m("failed_by_cause_total", PURPOSE, exactly("purpose", Purpose.PAYMENT))
    checks = f"{total(increase('no_route_checks_total'), 'verdict')} > 0 and on () {chosen}"
    everything = f"sum({checks})"
    return grid(
        Text(
            "Why there was no route",
            "Off unless the exporter runs with --lnd.explain-no-route. What lnd then finds about payments that failed "
            "without any attempt: guesses about a sample, to be compared with each other. `lnd-payments-exporter ended "
            "--cause=no_route --since=1h` lists such payments, `why HASH` asks lnd about one.",
            "locale",
        ),
        [
            Query(f'label_replace({checks}, "advice", "$1", "verdict", "(.+)")'),
            Query(f"({checks}) / on () group_left () {everything}"),
        ],
        [
            Column("verdict", "lnd finds", "string", width=150, words=named(CHECKS)),
            Column("Value #A", "Checks", "locale", decimals=0, width=80),
            Column("Value #B", "Share", "percentunit", decimals=0, width=80),
            Column("advice", "What helps", "string", words={w: (text, BLACK) for w, text in CHECK_ADVICE.items()}),
        ],
        "verdict",
        sort="Checks",
        empty="nothing checked: --lnd.explain-no-route is off, or no payment needed it",
    )


def _all_and_bands(metric: str, chosen: str, label: str) -> dict[str, str]:
    """Return queries for the number of each label value: of all amounts, and of each band."""
    bands = {band.value: total(increase(metric, chosen, exactly("amount_band", band)), label) for band in AmountBand}
    return {"All": total(increase(metric, chosen), label), **bands}
