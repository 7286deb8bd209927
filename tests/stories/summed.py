"""Sums of payments as a page and a Prometheus have them, to be compared with those of lnd's list."""

from collections.abc import Iterable, Mapping

from tests.backfill.test_seam_in_prometheus import Series, all_samples, rises
from tests.network.process import until
from tests.stories.in_lnd import METRICS, Key, Sums
from tests.stories.page import PREFIX, Page
from tests.stories.prometheus import Prometheus

WITHOUT_INVOICE = "without invoice"


def merged(all_sums: Iterable[tuple[Key, float]]) -> dict[Key, int]:
    """Return sums with three kinds as one: which failed payments without an invoice were probes is seen live only."""
    found = Sums()
    for key, by in all_sums:
        found[key._replace(kind=WITHOUT_INVOICE) if key.kind in {"probe", "other", "unknown"} else key] += round(by)
    return dict(+found)


def on_page(page: Page, node: str) -> dict[Key, int]:
    """Return the sums on a page."""
    return merged(
        (Key(f"{PREFIX}{series.name}", labels["kind"], labels.get("reason", "")), value)
        for series, value in page[node].items()
        if f"{PREFIX}{series.name}" in METRICS and (labels := dict(series.labels))
    )


async def in_prometheus(prometheus: Prometheus, node: str) -> dict[str, Series]:
    """Return all samples of a node by metric."""
    found = {}
    for name in METRICS:
        series = await all_samples(prometheus, name)
        found[name] = {labels: values for labels, values in series.items() if ("node", node) in labels}
    return found


def risen(samples: dict[str, Series]) -> dict[Key, int]:
    """Return by how much the counters rose from the first sample to the last."""
    return merged(
        (Key(name, dict(labels)["kind"], dict(labels).get("reason", "")), rises(values))
        for name, series in samples.items()
        for labels, values in series.items()
    )


async def risen_to(prometheus: Prometheus, node: str, at_least: int) -> dict[Key, int]:
    """Wait until the counters of a node have risen by so many payments; return by how much they rose."""
    found = dict[Key, int]()

    async def rose() -> bool:
        await prometheus.next_scrape()
        found.clear()
        found.update(risen(await in_prometheus(prometheus, node)))
        return number(found) >= at_least

    await until(f"{at_least} payments of {node} are in Prometheus", rose)
    return found


def number(of: Mapping[Key, int]) -> int:
    """Return the number of payments in sums."""
    return sum(by for key, by in of.items() if not key.metric.endswith("_msat_total"))
