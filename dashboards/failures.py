"""The second dashboard, a diagnosis from top to bottom: causes, failing nodes, amounts, peers."""

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import dashboard as model

from dashboards.board import Board
from dashboards.destinations import destinations
from dashboards.graphs import Value, bars, several
from dashboards.htlcs import attempts
from dashboards.layout import Grid
from dashboards.logs import LOKI, STREAM, failures_logged
from dashboards.panel import BLACK, GREEN, ORANGE, RED, Query, Text
from dashboards.peers import peers
from dashboards.query import KIND, NO_RULES, OUTAGE, PURPOSE, TARGET, increase, m, rate, total
from dashboards.tables import Column, command, grid, matrix, named
from dashboards.words import ADVICE, CAUSES, CHECK_ADVICE, CHECKS, EACH_TRY, IN_THE_END, REASONS
from exporter.payments.labels import PURPOSE as OF_KIND
from exporter.payments.labels import AmountBand, Purpose
from exporter.rules.boards import (
    BY_AMOUNT_AND_CAUSE,
    BY_CAUSE,
    BY_REASON,
    FAILED_BY_KIND,
    MADE_GOOD_BY_KIND,
    SUCCEEDED_BY_KIND,
)
from exporter.rules.rule import exactly

_ENDED = "lnd-payments-exporter ended"
_WHICH = "Which ones? Then: lnd-payments-exporter why HASH"


def failures() -> Board:
    """Return the dashboard 'Why payments fail'."""
    here = Grid()
    _causes(here)
    _amounts(here)
    attempts(here)
    peers(here)
    destinations(here)
    failures_logged(here)
    return Board(
        "failures",
        "Lightning payments: why they fail",
        "From top to bottom: what stops payments, what lnd says, which HTLCs fail and who fails them, at which "
        "amounts, through which peer.",
        here,
        more=[_purpose(), LOKI, STREAM],
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
    causes = increase(BY_CAUSE.record, PURPOSE)
    here.row("1. What stops them?")
    failed, done, mended = (
        total(increase(each.record, KIND)) for each in (FAILED_BY_KIND, SUCCEEDED_BY_KIND, MADE_GOOD_BY_KIND)
    )
    lasting = f"clamp_min({failed} - ({mended} or 0 * {failed}), 0)"
    shares = ((None, GREEN), (1 - TARGET, ORANGE), (1 - OUTAGE, RED))
    here.add(
        several(
            Text(
                "How many fail, and the top cause",
                "Within the time shown, of the purposes chosen, refusals and cancellations too: the share of all that "
                f"ended. {EACH_TRY}: every payment that failed. {IN_THE_END}: without those whose invoice a later try "
                "paid (only invoices are). `lnd-payments-exporter ended --failed` lists them.",
                "percentunit",
            ),
            [
                Value(Query(f"{failed} / (({failed} + {done}) > 0)", EACH_TRY), "percentunit", shares, 1),
                Value(Query(f"{lasting} / (({failed} + {done}) > 0)", IN_THE_END), "percentunit", shares, 1),
                Value(Query(total(causes), "failed"), "locale"),
                Value(Query(f"topk(1, {total(causes, 'cause')} > 0)", "{{cause}}"), "locale"),
            ],
            empty=f"no payments, {NO_RULES}",
            colors=CAUSES,
        ),
        10,
        6,
    )
    _reasons(here)
    here.add(_advice(total(causes, "cause"), total(causes)), 24, 8)
    here.add(
        bars(
            Text(
                "Failures per minute, by cause",
                "Since when, and how bad. Good: few, and no cause that stands out. Red and orange are this node, blue "
                "and purple the network, yellow the recipients.",
                "short",
            ),
            [Query(f"60 * {total(rate(BY_CAUSE.record, PURPOSE), 'cause')}", "{{cause}}")],
            colors=CAUSES,
            empty=f"nothing failed, {NO_RULES}",
        ),
        13,
        9,
    )
    here.add(_checks(), 11, 9)


def _reasons(here: Grid) -> None:
    reasons = total(increase(BY_REASON, PURPOSE), "reason")
    here.add(
        grid(
            Text(
                "lnd's reason",
                "What `lncli listpayments` says of the failed payments within the time shown. It says less than the "
                "cause: timeout and no_route only mean that lnd stopped trying.",
                "locale",
            ),
            [Query(command(f"{reasons} > 0", "reason", f"{_ENDED} --reason=$1 --since=$__range"))],
            [
                Column("reason", "Reason", "string", width=230, words=named(REASONS)),
                Column("Value", "Failed", "locale", decimals=0, width=90),
                Column("command", _WHICH, "string", copied=True),
            ],
            "reason",
            sort="Failed",
            empty=f"no failed payments, {NO_RULES}",
        ),
        14,
        6,
    )


def _amounts(here: Grid) -> None:
    here.row("2. At which amounts?")
    by_amount = increase(BY_AMOUNT_AND_CAUSE.record, PURPOSE, 'amount_band!=""')
    here.add(
        matrix(
            Text(
                "Cause by amount",
                "Failed payments within the time shown. No own balance for large amounts is normal; for amounts "
                "below 100k sat it means drained channels. `lnd-payments-exporter ended --cause=own_liquidity "
                "--min-sat=100000` lists such payments, `why HASH` explains one.",
                "locale",
            ),
            f"{total(by_amount, 'cause', 'amount_band')} > 0",
            Column("cause", "Cause", "string", width=230, words=named(CAUSES)),
            "amount_band",
            [*AmountBand],
            empty=f"no failed payments, or --metrics.without=amounts, {NO_RULES}",
        ),
        24,
        8,
    )


def _advice(causes: str, everything: str) -> table.Panel:
    """Return the table of causes: how many, what helps, and the command that lists these payments."""
    listed = command(f"{causes} > 0", "cause", f"{_ENDED} --cause=$1 --since=$__range")
    return grid(
        Text(
            "Cause",
            "Failed payments within the time shown. The command, run on the exporter's machine, lists those "
            "of a cause, of all purposes (--kind=invoice: only these); --since counts from now. "
            "`lnd-payments-exporter why HASH` then explains one of them.",
            "locale",
            "metrics.md#cause-of-lnd_payments_failed_by_cause_total",
        ),
        [
            Query(command(listed, "cause", "$1", "advice")),
            Query(f"{causes} / on () group_left () ({everything} > 0) > 0"),
        ],
        [
            Column("cause", "Cause", "string", width=200, words=named(CAUSES)),
            Column("Value #A", "Failed", "locale", decimals=0, width=90),
            Column("Value #B", "Share", "percentunit", decimals=0, width=80),
            Column("advice", "What helps", "string", words={word: (text, BLACK) for word, text in ADVICE.items()}),
            Column("command", _WHICH, "string", width=680, copied=True),
        ],
        "cause",
        sort="Failed",
        empty=f"no failed payments, {NO_RULES}",
    )


def _checks() -> table.Panel:
    """Return the table of what lnd finds about payments without a route.

    Only invoices are checked, so there is nothing to show if the purpose `payment` isn't chosen.
    """
    chosen = m(BY_CAUSE.record, PURPOSE, exactly("purpose", Purpose.PAYMENT))
    checks = f"{total(increase('no_route_checks_total'), 'verdict')} > 0 and on () {chosen}"
    everything = f"sum({checks})"
    return grid(
        Text(
            "Why there was no route",
            "Off unless the exporter runs with --lnd.explain-no-route. What lnd then finds about payments that failed "
            "without any attempt: guesses about a sample, to be compared with each other. `lnd-payments-exporter ended "
            "--cause=no_route --since=1h` lists such payments, `why HASH` asks lnd about one.",
            "locale",
            "metrics.md#why-there-was-no-route",
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
        empty=f"nothing checked: --lnd.explain-no-route is off, or no payment needed it, {NO_RULES}",
    )
