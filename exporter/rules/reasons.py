"""Alerts on the causes of failed payments, and on floods of refusals, probes and rebalances."""

from exporter.payments.labels import Cause, ChannelState
from exporter.rules.failed import PROBES_FAILED, REBALANCES_FAILED, REFUSED, SMALL_FAILED
from exporter.rules.last_page import KEPT
from exporter.rules.node import number_of_channels
from exporter.rules.recording import ENDED, FINISHED, UNEXPLAINED, present
from exporter.rules.rule import NODE, SHARE, Alert, Group, Selector, on_current_exporter, one_of, ratio
from exporter.rules.thresholds import Severity, Share
from exporter.rules.values import Values

ALL = "var-purpose=$__all"
"""URL query for a dashboard that shows neither probes nor rebalances by default."""


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
                the peers may also be offline: {number_of_channels(ChannelState.INACTIVE)} channels are inactive,
                {number_of_channels(ChannelState.ACTIVE)} active.""",
            ),
            _cause(
                values,
                given.own_channel,
                [Cause.OWN_CHANNEL, Cause.OWN_INACTIVE],
                "OwnChannel",
                "at this node's own channels",
                f"""failed because channels of this node can't be used: their peers are offline, or they are being
                closed. {number_of_channels(ChannelState.INACTIVE)} channels are inactive,
                {number_of_channels(ChannelState.ACTIVE)} active.""",
            ),
            *_storms(s, values),
            _unknown_reasons(s, given.unknown_reasons.severity),
        ],
    )


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
