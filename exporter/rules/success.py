"""Alerts on failing and slow payments."""

from exporter.payments.labels import AmountBand, ChannelState
from exporter.rules.failed import SMALL
from exporter.rules.node import number_of_channels
from exporter.rules.recording import (
    BAD,
    BAD_BY_BAND,
    FINISHED,
    FINISHED_BY_BAND,
    SUCCEEDED,
    burn,
    live_burn,
    missed,
    present,
    raw_increase,
)
from exporter.rules.rule import NODE, SHARE, Alert, Group, Recording, Selector, exactly, one_of, ratio
from exporter.rules.thresholds import Burning, TooSlow
from exporter.rules.values import WHOSE, Values

ORDINARY = (*SMALL, AmountBand.UNDER_1M)
"""Amounts of which most succeed on a healthy node: below 1M sat."""


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
        first panel of the dashboard says why. {number_of_channels(ChannelState.INACTIVE)} channels are inactive,
        {number_of_channels(ChannelState.ACTIVE)} active.""",
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
