"""The same rules and dashboards as manifests of Kubernetes."""

from typing import Any

from exporter.rules.generate import as_text, groups, head
from exporter.rules.rule import as_yaml
from exporter.rules.values import Values

_LABELS = {"app.kubernetes.io/name": "lnd-payments-exporter"}
SIDECAR = {"grafana_dashboard": "1"}
"""The label by which the sidecar of Grafana's Helm chart finds dashboards, unless it is configured otherwise."""


def prometheus_rule(profile: str, values: Values, *, alerts: bool = True) -> str:
    """Return a PrometheusRule of the Prometheus Operator with the rules of a profile, or only with its recordings."""
    rules = as_yaml(groups(values, alerts=alerts), values)
    return head(profile) + _manifest(
        "monitoring.coreos.com/v1", "PrometheusRule", f"lnd-payments-{profile}", spec=rules
    )


def config_map(uid: str, dashboard: str) -> str:
    """Return a ConfigMap with the JSON of a dashboard."""
    data = {f"{uid}.json": dashboard}
    return _manifest("v1", "ConfigMap", uid, labels=SIDECAR, data=data)


def _manifest(version: str, kind: str, name: str, *, labels: dict[str, str] | None = None, **content: Any) -> str:
    metadata = {"name": name, "labels": _LABELS | (labels or {})}
    return as_text({"apiVersion": version, "kind": kind, "metadata": metadata, **content})
