"""Alerts on failing payments, and on their causes."""

from deploy.prometheus.failed import (
    PROBES_FAILED,
    REBALANCES_FAILED,
    REFUSED,
    SMALL,
    SMALL_FAILED,
)
from deploy.prometheus.last_page import KEPT
from deploy.prometheus.recording import (
    BAD,
    BAD_BY_BAND,
    ENDED,
    FINISHED,
    FINISHED_BY_BAND,
    SUCCEEDED,
    UNEXPLAINED,
    burn,
    live_burn,
    missed,
    present,
    raw_increase,
)
from deploy.prometheus.rule import (
    NODE,
    SHARE,
    Alert,
    Group,
    Recording,
    Selector,
    exactly,
    on_current_exporter,
    one_of,
    ratio,
)
from deploy.prometheus.thresholds import Burning, Severity, Share, TooSlow
from deploy.prometheus.values import WHOSE, Values
from exporter.payments.labels import AmountBand, Cause, ChannelState

ORDINARY = (*SMALL, AmountBand.UNDER_1M)
"""Amounts of which most succeed on a healthy node: below 1M sat."""
ALL = "var-purpose=$__all"
"""URL query for a dashboard that shows neither probes nor rebalances by default."""


def success(values: Values) -> Group:
    """Return the alerts on failing and slow payments, the most urgent first, and the shares that `Outage` reads."""
    s = Selector(values)
    return Group(
        "success",
        [
            *_shares(s),
            _outage(s, values),
            *_burning(s, values),
            _quiet_node_fails(s, values),
            *_slow_payments(s, values),
        ],
    )


def reasons(values: Values) -> Group:
    """Return the alerts on the causes of failures."""
    s = Selector(values)
    given = values.alerts
    return Group(
        "reasons",
        [
            _cause(
                values,
                given.own_liquidity,
                [Cause.OWN_LIQUIDITY],
                "OwnLiquidity",
                "for lack of own outbound balance",
                f"""lacked balance in this node's own channels: they are drained. Receive, swap in, or open channels;
                where all are drained, rebalancing doesn't help. If the exporter's macaroon doesn't allow ListChannels,
                the peers may also be offline: {_channels(ChannelState.INACTIVE)} channels are inactive,
                {_channels(ChannelState.ACTIVE)} active.""",
            ),
            _cause(
                values,
                given.own_channel,
                [Cause.OWN_CHANNEL, Cause.OWN_INACTIVE],
                "OwnChannel",
                "at this node's own channels",
                f"""failed because channels of this node can't be used: their peers are offline, or they are being
                closed. {_channels(ChannelState.INACTIVE)} channels are inactive, {_channels(ChannelState.ACTIVE)}
                active.""",
            ),
            *_storms(s, values),
            _unknown_reasons(s, given.unknown_reasons.severity),
        ],
    )


def _channels(state: ChannelState) -> str:
    """Return a template that queries the number of channels in a state, for the text of an alert."""
    series = f'lnd_payments_node_channels{{job=%q,instance=%q,node=%q,state=\\"{state}\\"}}'
    call = f'printf "{series}" $labels.job $labels.instance $labels.node | query'
    return f"{{{{ with {call} }}}}{{{{ . | first | value }}}}{{{{ else }}}}?{{{{ end }}}}"


def live_bad(window: str) -> str:
    """Return the name of the recorded share of ordinary payments that failed, without missed ones."""
    return f"instance_node:lnd_payments_live_bad:ratio{window}"


_LONG, _SHORT = "10m", "3m"
"""The windows of `Outage`."""


def _live(s: Selector, name: str, window: str) -> str:
    """Return the number of ordinary payments counted in a window, without missed ones."""
    counted = raw_increase(s(name, one_of("amount_band", ORDINARY)), window)
    return f"(sum without (amount_band) ({counted}) - {missed(s, window)})"


def _shares(s: Selector) -> list[Recording]:
    return [
        Recording(
            live_bad(window),
            f"clamp_min({_live(s, BAD_BY_BAND, window)}, 0)\n  / {_live(s, FINISHED_BY_BAND, window)}",
        )
        for window in (_LONG, _SHORT)
    ]


def _outage(s: Selector, values: Values) -> Alert:
    given = values.alerts.outage
    limit = ratio(given.percent)
    return Alert(
        "Outage",
        given.severity,
        f"""
        {s(live_bad(_LONG))} > {limit}
        and {s(live_bad(_SHORT))} > {limit}
        and {_live(s, FINISHED_BY_BAND, _LONG)} >= {given.at_least}
        """,
        f"{NODE}: {SHARE} of payments fail",
        f"""Of the payments below 1M sat that finished in the last 10 minutes, {SHARE} failed, and they still do. The
        first panel of the dashboard says why. {_channels(ChannelState.INACTIVE)} channels are inactive,
        {_channels(ChannelState.ACTIVE)} active.""",
        "failures",
        keep_firing_for="10m",
    )


def _burning(s: Selector, values: Values) -> list[Alert]:
    def alert(name: str, given: Burning, windows: tuple[str, str], keep_firing_for: str, *, live: bool = True) -> Alert:
        long, short = windows
        rate = live_burn if live else burn
        enough = (
            f"{raw_increase(s(FINISHED), long)} - {missed(s, long)}" if live else f"increase({s(FINISHED)}[{long}])"
        )
        return Alert(
            name,
            given.severity,
            f"""
            {s(rate(long))} > {given.burn:g}
            and {s(rate(short))} > {given.burn:g}
            and {enough} >= {given.at_least}
            """,
            f'{NODE}: payments fail {{{{ $value | printf "%.1f" }}}} times as often as they may',
            f"""Over the last {long}, and over the last {short}, {_more(given.burn)} the targets allow for amounts like
            these. Recipients that refuse and callers that cancel are not among them. {WHOSE[values.success]}""",
            "failures",
            keep_firing_for=keep_firing_for,
        )

    given = values.alerts
    return [
        alert("FailFast", given.fail_fast, ("1h", "5m"), "30m"),
        alert("FailSlowly", given.fail_slowly, ("6h", "30m"), "1h"),
        alert("ErrorBudget", given.error_budget, ("3d", "6h"), "6h", live=False),
    ]


def _more(factor: float) -> str:
    return "more payments failed than" if factor == 1 else f"more than {factor:g} times as many payments failed as"


def _quiet_node_fails(s: Selector, values: Values) -> Alert:
    """Return the alert on a quiet node; on a node with more payments the error budget covers it."""
    given = values.alerts.quiet_node_fails
    return Alert(
        "QuietNodeFails",
        given.severity,
        f"""
        {raw_increase(s(BAD), "6h")} >= {given.at_least}
        and increase({s(SUCCEEDED)}[6h]) == 0
        and increase({s(FINISHED)}[6h]) < {values.alerts.fail_slowly.at_least}
        """,
        f"{NODE}: none of the last payments arrived",
        """{{ $value | printf "%.0f" }} payments of the last 6 hours failed, and none succeeded. On a node with few
        payments that is all there is to see of an outage.""",
        "failures",
        keep_firing_for="10m",
    )


def _slow_payments(s: Selector, values: Values) -> list[Alert]:
    def counts(name: str, given: TooSlow, window: str, *matchers: str) -> tuple[str, str]:
        """Return the number of observations above a bound, and of all observations."""
        bound = exactly("le", str(float(given.seconds)))
        whole = f"sum without (purpose, outcome) ({raw_increase(s(f'{name}_count', *matchers), window)})"
        within = f"sum without (purpose, outcome, le) ({raw_increase(s(f'{name}_bucket', *matchers, bound), window)})"
        return f"({whole} - {within})", whole

    def late(window: str) -> str:
        """Return the condition that too many successful payments took too long."""
        longer, all_of_them = counts("duration_seconds", whole, window, *done)
        unseen = missed(s, window)
        return f"clamp_min({longer} - {unseen}, 0) / ({all_of_them} - {unseen}) > {ratio(whole.percent)}"

    done = ('purpose="payment"', 'outcome="succeeded"')
    path_finding, whole = values.alerts.path_finding_slow, values.alerts.slow
    waiting, first = counts("first_attempt_seconds", path_finding, "10m")
    return [
        Alert(
            "PathFindingSlow",
            path_finding.severity,
            f"""
            {waiting}
              / {first} > {ratio(path_finding.percent)}
            and {first} >= {path_finding.at_least}
            {present(s, "10m")}
            """,
            f"{NODE}: {SHARE} of payments wait for more than {path_finding.seconds:g} s before anything is sent",
            """Between the creation of a payment and its first HTLC there is only path finding: lnd is short of CPU or
            its database is slow, or it is given many payments at once.""",
            "overview",
            for_=f"{path_finding.minutes}m",
            keep_firing_for="10m",
        ),
        Alert(
            "Slow",
            whole.severity,
            f"""
            {late("6h")}
            and {late("30m")}
            and {counts("duration_seconds", whole, "6h", *done)[1]} - {missed(s, "6h")} >= {whole.at_least}
            """,
            f"{NODE}: {SHARE} of successful payments take longer than {whole.seconds:g} s",
            f"""Over 6 hours and over 30 minutes more than {whole.percent:g} % were not there within
            {whole.seconds:g} s. Attempts that fail before one arrives are the usual reason.""",
            "overview",
            keep_firing_for="1h",
        ),
    ]


def _cause(values: Values, given: Share, causes: list[Cause], name: str, what: str, description: str) -> Alert:
    s = Selector(values)

    def failures(*matchers: str) -> str:
        return f"sum without (cause) (increase({s(SMALL_FAILED, *matchers)}[10m]))"

    return Alert(
        name,
        given.severity,
        f"""
        {failures(one_of("cause", causes))}
          / {failures()} > {ratio(given.percent)}
        and {failures()} >= {given.at_least}
        {present(s, "10m")}
        """,
        f"{NODE}: {SHARE} of failed payments fail {what}",
        f"""More than {given.percent:g} % of the payments below 100k sat that failed in the last 10 minutes
        {description}""",
        "failures",
        keep_firing_for="10m",
    )


def _storms(s: Selector, values: Values) -> list[Alert]:
    everything = f"increase({s(ENDED)}[1h])"

    def storm(
        name: str, given: Share, these: str, whole: str, what: str, description: str, variables: str = ""
    ) -> Alert:
        return Alert(
            name,
            given.severity,
            f"""
            {these}
              / {whole} > {ratio(given.percent)}
            and {these} >= {given.at_least}
            {present(s, "1h")}
            """,
            f"{NODE}: {what}",
            description,
            "failures",
            variables=variables,
            keep_firing_for="10m",
        )

    return [
        storm(
            "RecipientsRefuse",
            values.alerts.recipients_refuse,
            f"increase({s(REFUSED)}[1h])",
            f"increase({s(FINISHED)}[1h])",
            f"{SHARE} of payments are refused by their recipients",
            """Refused payments are no failure of this node, but so many are unusual: invoices that expired or were paid
            twice, wrong amounts, or an application that pays the same invoice again and again.""",
        ),
        storm(
            "ProbeStorm",
            values.alerts.probe_storm,
            f"increase({s(PROBES_FAILED)}[1h])",
            everything,
            f"{SHARE} of all that it sends are probes",
            """Somebody probes through this node: payments of random hashes that the recipient must refuse. They are in
            no success rate, but lock liquidity and fill lnd's database.""",
            ALL,
        ),
        storm(
            "RebalanceStorm",
            values.alerts.rebalance_storm,
            f"increase({s(REBALANCES_FAILED)}[1h])",
            everything,
            f"{SHARE} of all that it sends are rebalances that fail",
            """Failed rebalances are in no success rate, but lock liquidity and fill lnd's database: look at the limits
            of the tool that makes them.""",
            ALL,
        ),
    ]


def _unknown_reasons(s: Selector, severity: Severity) -> Alert:
    """Return the alert on unknown reasons. It compares with the last known count, so that it includes an absence."""
    return Alert(
        "UnknownReasons",
        severity,
        on_current_exporter(s, f"{s(UNEXPLAINED)} - last_over_time({s(UNEXPLAINED)}[{KEPT}] offset 1h) > 0"),
        f"{NODE}: payments failed for a reason that nobody knows",
        """{{ $value | printf "%.0f" }} payments that were counted within the last hour failed without a reason, or with
        one that this version of the exporter doesn't know. They are in no success rate. Is there a newer exporter?""",
        "failures",
        variables=ALL,
    )
