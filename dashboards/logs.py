"""Optional rows over the exporter's log in JSON, for people with Loki; folded, so that nothing is asked without it."""

from grafana_foundation_sdk.builders import dashboard, logs, loki
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import DataSourceRef

from dashboards.layout import Grid

LOKI = dashboard.DatasourceVariable("loki").label("Loki (optional)").type("loki")
_DEFAULT = 'container="lnd-payments-exporter"'
STREAM = (
    dashboard.TextBoxVariable("stream")
    .label("Loki stream")
    .default_value(_DEFAULT)
    .current(model.VariableOption(selected=True, text=_DEFAULT, value=_DEFAULT))
)
"""The matchers that select the exporter's log in Loki, which are another thing in each installation."""
_SOURCE = DataSourceRef(type_val="loki", uid="${loki}")
_TITLE = "Log (needs Loki)"


def failures_logged(here: Grid) -> None:
    """Add the row on payments that failed."""
    lines = '{$stream} | json | event="a payment ended" | outcome="failed" | kind=~"${purpose:pipe}" | node=~"$node"'
    said = "{{.payment_hash}} {{.node}}: {{.cause}} ({{.reason}}), {{.kind}}, {{.amount_msat}} msat, {{.attempts}} "
    said += "attempts, {{.failure_code}} {{.failure_source}} {{.failed_by}}"
    panel = _panel(
        "Failed payments, from the log",
        "The exporter writes these lines with --log.ended=failed, the hashes unless --log.payment-hashes=false. Set "
        "Loki stream at the top to what selects the exporter's log. `lnd-payments-exporter why HASH` explains one.",
        f"{lines} | line_format `{said}`",
    )
    here.folded(_TITLE, [(panel, 24, 12)])


def warnings_logged(here: Grid) -> None:
    """Add the row on warnings and errors, which are about a node or about the exporter."""
    panel = _panel(
        "Warnings and errors, from the log",
        "Also payments that have been in flight for long, with their hashes unless --log.payment-hashes=false. Set "
        "Loki stream at the top to what selects the exporter's log, which must be JSON (--log.format=json).",
        '{$stream} | json | level=~"warning|error|critical" | node=~"($node)?" | line_format `{{.node}} {{.event}} '
        "{{.payment_hash}} {{.reason}} {{.advice}}`",
    )
    here.folded(_TITLE, [(panel, 24, 12)])


def _panel(title: str, description: str, expr: str) -> logs.Panel:
    return (
        logs.Panel()
        .title(title)
        .description(description)
        .datasource(_SOURCE)
        .with_target(loki.Dataquery().expr(expr).query_type("range").max_lines(500).ref_id("A").datasource(_SOURCE))
        .show_time(True)
        .wrap_log_message(True)
        .enable_log_details(True)
        .show_labels(False)
        .show_common_labels(False)
        .prettify_log_message(False)
        .dedup_strategy(words.LogsDedupStrategy.NONE)
        .sort_order(words.LogsSortOrder.DESCENDING)
    )
