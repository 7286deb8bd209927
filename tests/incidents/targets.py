"""The targets that Prometheus scrapes, in both layouts: a page for all nodes of an exporter, or a page a node."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

JOB = "lnd-payments"
"""The job that the rules know from values.yml."""


class Layout(Enum):
    """How an exporter is scraped."""

    ONE_PAGE = "one page"
    PAGE_A_NODE = "a page a node"


BOTH = tuple(Layout)


class Scraped(NamedTuple):
    """A target at a scrape."""

    labels: Mapping[str, str]
    """The labels that Prometheus adds."""
    metrics: Iterable[Metric]


def of_exporter(layout: Layout, address: str, job: str = JOB) -> dict[str, str]:
    """Return the labels of the target of an exporter."""
    return {"job": job, "instance": address} | ({"exporter": address} if layout is Layout.PAGE_A_NODE else {})


def of_node(layout: Layout, address: str, node: str, job: str = JOB) -> dict[str, str]:
    """Return the labels of the target that has a node's page."""
    of_it = of_exporter(layout, address, job)
    return of_it | {"instance": f"{address}/{node}"} if layout is Layout.PAGE_A_NODE else of_it


def up(is_up: bool) -> Metric:  # noqa: FBT001 - the only argument
    """Return what Prometheus says of a scrape."""
    return GaugeMetricFamily("up", "", value=float(is_up))


def healthy(node: str) -> Metric:
    """Return all that is needed of another node."""
    node_up = GaugeMetricFamily("lnd_payments_node_up", "", labels=["node"])
    node_up.add_metric([node], 1)
    return node_up
