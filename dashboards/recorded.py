"""PromQL on recorded series, which panels read that would cost too much on the exporter's own metrics."""

from dashboards.query import HERE
from deploy.prometheus.boards import Sum

NO_RULES = "or the rules are not loaded"
"""End of what an empty panel says that reads recorded series."""


def recorded(series: Sum | str, *matchers: str) -> str:
    """Return a selector of a recorded series for the chosen nodes."""
    name = series.record if isinstance(series, Sum) else series
    return f"{name}{{{','.join((HERE, *matchers))}}}"


def grown(series: Sum | str, *matchers: str, window: str = "$__range") -> str:
    """Return the increase of a recorded counter."""
    return f"increase({recorded(series, *matchers)}[{window}])"


def risen(series: Sum | str, *matchers: str) -> str:
    """Return the rate of a recorded counter; the panel's interval must be 5 minutes or more."""
    return f"rate({recorded(series, *matchers)}[$__rate_interval])"
