"""The first dashboard to open: whether it works, how fast, and at what price."""

from collections.abc import Callable

from dashboards.board import Board
from dashboards.flight import AGES, by_age
from dashboards.graphs import areas, bars, lines, number, spread
from dashboards.layout import Grid
from dashboards.panel import GREEN, ORANGE, RED, YELLOW, Query, Text
from dashboards.query import (
    AWAY,
    BAD,
    COUNTED,
    OUTAGE,
    SAT,
    TARGET,
    VALUES,
    allowed,
    bad,
    burn,
    finished,
    increase,
    m,
    overall,
    rate,
    success_rate,
    total,
)
from dashboards.tables import crossed
from deploy.prometheus.recording import BUDGET, FAST, SLOW
from deploy.prometheus.rule import exactly
from exporter.payments.labels import AmountBand

_BURN = ((None, GREEN), (BUDGET, YELLOW), (SLOW, ORANGE), (FAST, RED))
_PAYMENT = 'purpose="payment"'
_DONE = (_PAYMENT, 'outcome="succeeded"')
_QUICK_S = VALUES.slow_after_seconds


def overview() -> Board:
    """Payments."""
    here = Grid()
    _first_row(here)
    _success(here)
    _speed(here)
    _money(here)
    return Board("overview", "Lightning payments", "Is it working, how fast, and at what price?", here)


def _first_row(here: Grid) -> None:
    here.add(
        number(
            Text(
                "Success rate",
                "Share of the finished invoices, keysends and AMP payments that this node did not fail, over the "
                "time shown. Recipients that refuse and callers that cancel are no failures of the node. Good: "
                "above 95 %, less where most amounts are large.",
                "percentunit",
            ),
            overall("$__range"),
            ((None, RED), (OUTAGE, ORANGE), (TARGET, GREEN)),
            decimals=1,
            empty="no payments",
        ),
        4,
        5,
    )
    here.add(
        number(
            Text(
                "Error budget burn, 1 h",
                "How many times as many payments fail as the targets allow for amounts like these (the rate at "
                "which the error budget burns). Good: below 1. The alerts begin at 6 within an hour, 3 within six.",
                "suffix: x",
            ),
            burn("1h"),
            _BURN,
            decimals=1,
            empty="no payments",
        ),
        4,
        5,
    )
    here.add(
        number(
            Text("Payments", "Payments that began within the time shown, of every kind.", "locale"),
            total(increase("started_total")),
            decimals=0,
        ),
        4,
        5,
    )
    here.add(
        number(
            Text(
                "In flight",
                "Payments that have begun and not ended. Good: few, and none old; see In flight and at risk.",
                "short",
            ),
            total(m("in_flight")),
        ),
        4,
        5,
    )
    here.add(
        number(
            Text(
                "Successes after giving up",
                "Payments that succeeded although lnd had given them up: whoever asked may have been told that they "
                "failed. Good: 0. Reconcile before anything is refunded.",
                "short",
            ),
            total(increase("succeeded_late_total")),
            ((None, GREEN), (0.5, ORANGE)),
            decimals=0,
        ),
        4,
        5,
    )
    here.add(
        number(
            Text(
                "Nodes away",
                "Nodes that don't answer, or don't let the exporter in. Good: 0; see Exporter and node.",
                "short",
            ),
            AWAY,
            ((None, GREEN), (1, RED)),
        ),
        4,
        5,
    )


def _success(here: Grid) -> None:
    here.row("Does it arrive?")
    here.add(
        crossed(
            Text(
                "Success rate by amount, against its target",
                "The larger the amount, the harder it is to deliver, so each band has a target of its own. Good: no "
                "red. A band without payments shows 100 %.",
                "percentunit",
            ),
            {
                "Success rate": success_rate("$__range", "amount_band"),
                "Target": _by_band(lambda band: VALUES.target_percent[band] / 100),
                "Above target": f"{success_rate('$__range', 'amount_band')} - on (amount_band) "
                f"({_by_band(lambda band: VALUES.target_percent[band] / 100)})",
                "Finished": finished("$__range", "amount_band"),
            },
            "amount_band",
            "Amount",
            units={"Finished": "locale"},
            steps={"Above target": ((None, RED), (0, GREEN))},
            order=_by_band(lambda band: list(AmountBand).index(band)),
        ),
        10,
    )
    here.add(
        lines(
            Text(
                "Success rate, over the last hour",
                "By amount, of what finished within an hour. Good: near the top; small amounts above 98 %.",
                "percentunit",
            ),
            [Query(success_rate("1h", matchers=[exactly("amount_band", band)]), band.value) for band in AmountBand],
            top=1,
        ),
        14,
    )
    here.add(
        bars(
            Text(
                "Payments per minute, succeeded",
                "What arrived, by kind. Good: as on other days.",
                "short",
            ),
            [Query(f"60 * {total(rate('succeeded_total'), 'kind')}", "{{kind}}")],
        ),
        12,
    )
    here.add(
        bars(
            Text(
                "Payments per minute, failed",
                "What did not arrive, by kind; rebalances and probes fail often, and are in no success rate.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_total'), 'kind')}", "{{kind}}")],
        ),
        12,
    )
    left = f"1 - {bad('3d')} / ({allowed('3d')} > 0)"
    here.add(
        number(
            Text(
                "Error budget left, 3 days",
                "What the targets still allow to fail, of what they allow within three days. Good: above 0; below, "
                "payments failed more often than they may.",
                "percentunit",
            ),
            left,
            ((None, RED), (0, YELLOW), (0.25, GREEN)),
            decimals=0,
            empty="no payments",
        ),
        6,
    )
    first = increase("htlc_attempts_per_payment_bucket", *_DONE, 'le="1.0"', window="1h")
    tried = increase("htlc_attempts_per_payment_count", *_DONE, window="1h")
    here.add(
        lines(
            Text(
                "First try against eventual success",
                "Share of the successes that needed one HTLC only, where all attempts were seen, beside the share of "
                "payments that succeed in the end, over the last hour. Good: both high; far apart means that lnd "
                "tries many routes.",
                "percentunit",
            ),
            [
                Query(f"{total(first)} / clamp_min({total(tried)}, 1)", "first try, of the successes"),
                Query(success_rate("1h"), "eventual success"),
            ],
            top=1,
        ),
        10,
    )
    here.add(
        lines(
            Text(
                "Error budget burn",
                "How many times as many payments fail as the targets allow. Dashed: from where on an alert tells it.",
                "suffix: x",
            ),
            [
                Query(f"{bad('1h')} / clamp_min({allowed('1h')}, 0.01)", "1 hour"),
                Query(f"{bad('6h')} / clamp_min({allowed('6h')}, 0.01)", "6 hours"),
            ],
            ((None, "transparent"), (SLOW, ORANGE), (FAST, RED)),
        ),
        8,
    )


def _by_band(value: Callable[[AmountBand], float]) -> str:
    """A number for each band."""
    return " or ".join(
        f'label_replace(vector({value(band):g}), "amount_band", "{band}", "", "")' for band in AmountBand
    )


def _speed(here: Grid) -> None:
    here.row("How fast?")
    buckets = rate("duration_seconds_bucket", *_DONE)
    here.add(
        spread(
            Text(
                "How long successes take",
                "From the creation of a payment to its last settled HTLC; the more it stands out, the more "
                f"payments. Good: a band below {_QUICK_S:g} s. Hold invoices are the dots at the top.",
                "s",
            ),
            f"sum by (le) ({buckets})",
        ),
        12,
    )
    quantiles = [
        Query(f"histogram_quantile({q}, sum by (le) ({buckets}))", f"{round(q * 100)} % are faster")
        for q in (0.5, 0.95)
    ]
    here.add(
        lines(
            Text(
                "Duration of successes",
                f"Half, and nearly all, of the successful payments were faster. Good: 95 % below {_QUICK_S:g} s, "
                "the dashed line. Empty where nothing succeeded.",
                "s",
            ),
            quantiles,
            ((None, "transparent"), (_QUICK_S, RED)),
            every="5m",
        ),
        6,
    )
    first = rate("first_attempt_seconds_bucket")
    here.add(
        lines(
            Text(
                "Time to the first HTLC",
                "From the creation of a payment to its first attempt: path finding and queueing in lnd. Good: below "
                "0.5 s; an alert tells when more than 5 % take 2 s, the dashed line.",
                "s",
            ),
            [Query(f"histogram_quantile(0.95, sum by (le) ({first}))", "95 % are faster")],
            ((None, "transparent"), (2, RED)),
            every="5m",
        ),
        6,
    )


def _money(here: Grid) -> None:
    here.row("What goes out, and at what price?")
    hour = 3600 / SAT
    here.add(
        bars(
            Text(
                "Sent, sat per hour",
                "Amounts delivered, fees not included. An alert tells when far more goes out than ever within a week.",
                "locale",
            ),
            [Query(f"{hour:g} * {total(rate('sent_msat_total'), 'kind')}", "{{kind}}")],
        ),
        8,
    )
    here.add(
        bars(
            Text("Fees paid, sat per hour", "Routing fees of what succeeded, by kind.", "locale"),
            [Query(f"{hour:g} * {total(rate('fees_msat_total'), 'kind')}", "{{kind}}")],
        ),
        8,
    )
    fees, sent = (total(increase(name, window="1h"), "kind") for name in ("fees_msat_total", "sent_msat_total"))
    here.add(
        lines(
            Text(
                "Fee rate, ppm of the volume",
                "Fees of the last hour in millionths of what was sent, so that large payments weigh more. Good: as "
                "your limits say; 1000 ppm is 0.1 %.",
                "suffix: ppm",
            ),
            [Query(f"1e6 * {fees} / clamp_min({sent}, 1)", "{{kind}}")],
        ),
        8,
    )
    here.add(
        areas(
            Text(
                "In flight by age",
                "Payments that have not ended, by how long ago they began. Good: nothing older than 10 minutes, hold "
                "invoices aside.",
                "short",
            ),
            by_age(),
            colors=AGES,
        ),
        12,
    )
    here.add(
        bars(
            Text(
                "Bad payments per minute, by reason",
                "Those that count against the success rate. Why payments fail tells more.",
                "short",
            ),
            [Query(f"60 * {total(rate('failed_total', COUNTED, BAD), 'reason')}", "{{reason}}")],
        ),
        12,
    )
