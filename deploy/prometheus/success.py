"""Alerts on payments that fail, and on why they do."""

from deploy.prometheus.recording import (
    BAD,
    BAD_BY_BAND,
    BUDGET,
    FAST,
    FINISHED,
    FINISHED_BY_BAND,
    SLOW,
    SUCCEEDED,
    burn,
)
from deploy.prometheus.rule import Alert, Group, Selector, exactly, one_of
from deploy.prometheus.values import Severity, Values
from exporter.payments.labels import AmountBand, Cause, Kind, Reason

SMALL = (AmountBand.UNDER_1K, AmountBand.UNDER_10K, AmountBand.UNDER_100K)
"""Amounts for which a node should have the balance: below 100k sat."""
ORDINARY = (*SMALL, AmountBand.UNDER_1M)
"""Amounts of which most arrive on a healthy node: below 1M sat."""
SHARE = "{{ $value | humanizePercentage }}"
NODE = "{{ $labels.node }}"
ALL = "var-purpose=$__all&var-kind=$__all"
"""For a dashboard that shows payments at first, and neither probes nor rebalances."""


def success(values: Values) -> Group:
    """From the loudest to the quietest."""
    s = Selector(values)
    return Group("success", [_outage(s, values), *_burning(s, values), _quiet(s), *_slow(s, values)])


def reasons(values: Values) -> Group:
    """What it comes from."""
    s = Selector(values)
    return Group(
        "reasons",
        [
            _cause(
                s,
                Cause.OWN_LIQUIDITY,
                "OwnLiquidity",
                "for lack of own outbound balance",
                """More than half of the payments below 100k sat that failed in the last 10 minutes lacked balance in
                this node's own channels: they are drained, or the peers with balance are away. Where all are,
                rebalancing doesn't help: receive, swap in, or open channels.""",
            ),
            _cause(
                s,
                Cause.OWN_CHANNEL,
                "OwnChannel",
                "at this node's own channels",
                """More than half of the payments below 100k sat that failed in the last 10 minutes failed because a
                channel of this node could not be used: its peer is offline, or it is disabled.""",
            ),
            _peer(s),
            *_storms(s, values),
            Alert(
                "UnknownReasons",
                Severity.INFO,
                f"""sum without (kind, amount_band, reason) (
                  increase({s("failed_total", one_of("reason", (Reason.NONE, Reason.OTHER)))}[1h])
                ) > 0""",
                f"{NODE}: payments failed for a reason that nobody knows",
                """{{ $value | printf "%.0f" }} payments of the last hour failed without a reason, or with one that this
                version of the exporter doesn't know. They are in no success rate. Is there a newer exporter?""",
                "failures",
                shows=ALL,
            ),
        ],
    )


def _outage(s: Selector, values: Values) -> Alert:
    def count(name: str, window: str) -> str:
        return f"sum without (amount_band) (increase({s(name, one_of('amount_band', ORDINARY))}[{window}]))"

    def share(window: str) -> str:
        return f"{count(BAD_BY_BAND, window)}\n  / {count(FINISHED_BY_BAND, window)}"

    limit = f"{values.outage_bad_percent / 100:g}"
    return Alert(
        "Outage",
        values.outage_severity,
        f"{share('10m')} > {limit}\nand {share('2m')} > {limit}\nand {count(FINISHED_BY_BAND, '10m')} >= 20",
        f"{NODE}: {SHARE} of payments fail",
        """Of the payments below 1M sat that finished in the last 10 minutes, {{ $value | humanizePercentage }} failed,
        and they still do. The first panel of the dashboard says why.""",
        "failures",
        keeps="10m",
    )


def _burning(s: Selector, values: Values) -> list[Alert]:
    def alert(name: str, severity: Severity, factor: int, windows: tuple[str, str], least: int, keeps: str) -> Alert:
        long, short = windows
        return Alert(
            name,
            severity,
            f"""
            {s(burn(long))} > {factor}
            and {s(burn(short))} > {factor}
            and increase({s(FINISHED)}[{long}]) >= {least}
            """,
            f"{NODE}: payments fail {{{{ $value | humanize }}}} times as often as they may",
            f"""Over {long} as over {short} {_more(factor)} the targets allow for amounts like these. Recipients that
            refuse and callers that cancel are not among them.""",
            "failures",
            keeps=keeps,
        )

    return [
        alert("FailFast", values.fail_fast_severity, FAST, ("1h", "5m"), 30, "30m"),
        alert("FailSlowly", Severity.WARNING, SLOW, ("6h", "30m"), 50, "1h"),
        alert("ErrorBudget", Severity.INFO, BUDGET, ("3d", "6h"), 200, "6h"),
    ]


def _more(factor: int) -> str:
    return f"more than {factor} times as many payments failed as" if factor > 1 else "more payments failed than"


def _quiet(s: Selector) -> Alert:
    return Alert(
        "QuietNodeFails",
        Severity.WARNING,
        f"""
        increase({s(BAD)}[6h]) >= 3
        and increase({s(SUCCEEDED)}[6h]) == 0
        and increase({s(FINISHED)}[6h]) < 50
        """,
        f"{NODE}: none of the last payments arrived",
        """{{ $value | printf "%.0f" }} payments of the last 6 hours failed, and none succeeded. On a node with few
        payments that is all there is to see of an outage.""",
        "failures",
        keeps="10m",
    )


def _slow(s: Selector, values: Values) -> list[Alert]:
    def slow(name: str, window: str, le: float, *matchers: str) -> str:
        """The share that took longer."""
        within = s(f"{name}_bucket", *matchers, f'le="{float(le)}"')
        return (
            f"1 - sum without (le) (increase({within}[{window}])) / increase({s(f'{name}_count', *matchers)}[{window}])"
        )

    done = ('purpose="payment"', 'outcome="succeeded"')
    after_s = values.slow_after_seconds
    count = f"increase({s('duration_seconds_count', *done)}[6h])"
    return [
        Alert(
            "PathFindingSlow",
            Severity.WARNING,
            f"""
            {slow("first_attempt_seconds", "10m", 2)} > 0.05
            and increase({s("first_attempt_seconds_count")}[10m]) >= 50
            """,
            f"{NODE}: {SHARE} of payments wait for more than 2 s before anything is sent",
            """Between the creation of a payment and its first HTLC there is only path finding: lnd is short of CPU or
            its database is slow, or it is given many payments at once.""",
            "overview",
            lasts="10m",
            keeps="10m",
        ),
        Alert(
            "Slow",
            Severity.WARNING,
            f"""
            {slow("duration_seconds", "6h", after_s, *done)} > 0.15
            and {slow("duration_seconds", "30m", after_s, *done)} > 0.15
            and {count} >= 50
            """,
            f"{NODE}: {SHARE} of successful payments take longer than {after_s:g} s",
            f"""95 % should be there within {after_s:g} s; over 6 hours and over 30 minutes more than three times as
            many as allowed were not. Attempts that fail before one arrives are the usual reason.""",
            "overview",
            keeps="1h",
        ),
    ]


def _cause(s: Selector, cause: Cause, name: str, what: str, description: str) -> Alert:
    small = ('purpose="payment"', one_of("amount_band", SMALL))
    failures = f"sum without (cause, amount_band) (increase({s('failed_by_cause_total', *small)}[10m]))"
    these = f"""sum without (cause, amount_band) (
          increase({s("failed_by_cause_total", *small, exactly("cause", cause))}[10m])
        )"""
    return Alert(
        name,
        Severity.WARNING,
        f"""
        {these}
          / {failures} > 0.5
        and {failures} >= 20
        """,
        f"{NODE}: {SHARE} of failed payments fail {what}",
        description,
        "failures",
        keeps="10m",
    )


def _peer(s: Selector) -> Alert:
    """The alias is added where it is known."""
    attempts = "peer_htlc_attempts_total"
    known = 'peer!="other"'
    blamed = s(attempts, known, 'outcome=~"failed_here|failed_at_peer"')
    share = f"""(
          sum without (outcome) (increase({blamed}[30m]))
            / sum without (outcome) (increase({s(attempts, known)}[30m])) > 0.5
          and sum without (outcome) (increase({s(attempts, known)}[30m])) >= 20
        )"""
    return Alert(
        "PeerFails",
        Severity.WARNING,
        f"""
        {share}
        * on (job, instance, node, peer) group_left (alias) {s("peer_info")}
        or on (job, instance, node, peer) {share}
        """,
        f"{NODE}: {SHARE} of HTLCs through {{{{ or $labels.alias $labels.peer }}}} fail there",
        """More than half of the HTLC attempts of the last 30 minutes through this direct peer failed in the channel
        with it, or at the peer itself, not somewhere behind it. Peer: {{ $labels.peer }}""",
        "failures",
        keeps="1h",
    )


def _storms(s: Selector, values: Values) -> list[Alert]:
    counted = one_of("kind", values.counted_kinds)
    refused = f"increase({s('failed_total', counted, exactly('reason', Reason.INCORRECT_PAYMENT_DETAILS))}[1h])"
    refusals = f"sum without (kind, amount_band, reason) ({refused})"
    everything = f"""(
          sum without (kind, amount_band) (increase({s("succeeded_total")}[1h]))
          + sum without (kind, amount_band, reason) (increase({s("failed_total")}[1h]))
        )"""

    def failed(kind: Kind) -> str:
        return f"sum without (kind, amount_band, reason) (increase({s('failed_total', exactly('kind', kind))}[1h]))"

    def storm(name: str, severity: Severity, these: str, whole: str, what: str, description: str) -> Alert:
        return Alert(
            name,
            severity,
            f"""
            {these}
              / {whole} > 0.25
            and {these} >= 20
            """,
            f"{NODE}: {what}",
            description,
            "failures",
            shows="" if severity is Severity.WARNING else ALL,
            keeps="10m",
        )

    return [
        storm(
            "RecipientsRefuse",
            Severity.WARNING,
            refusals,
            f"increase({s(FINISHED)}[1h])",
            f"{SHARE} of payments are refused by their recipients",
            """Refused payments are no failure of this node, but so many are unusual: invoices that expired or were paid
            twice, wrong amounts, or an application that pays the same invoice again and again.""",
        ),
        storm(
            "ProbeStorm",
            Severity.INFO,
            failed(Kind.PROBE),
            everything,
            f"{SHARE} of all that it sends are probes",
            """Somebody probes through this node: payments of random hashes that the recipient must refuse. They are in
            no success rate, but lock liquidity and fill lnd's database.""",
        ),
        storm(
            "RebalanceStorm",
            values.rebalance_storm_severity,
            failed(Kind.REBALANCE),
            everything,
            f"{SHARE} of all that it sends are rebalances that fail",
            """Failed rebalances are in no success rate, but lock liquidity and fill lnd's database: look at the limits
            of the tool that makes them.""",
        ),
    ]
