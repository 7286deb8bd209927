"""The settings of single commands: flags without a dot, which the YAML file can't hold."""

from exporter.config import addresses, values
from exporter.config.commands import OF_ONE_PAYMENT
from exporter.config.grouping import By
from exporter.config.setting import Setting
from exporter.config.target_labels import target_labels
from exporter.payments.labels import Cause, Kind, Lost, Reason

OLDER_THAN = Setting(
    "older-than", "TIME", values.duration, "", ("open",), "only payments in flight for at least this long: 10m, 1h, 2d"
)
SINCE = Setting(
    "since",
    "TIME",
    values.duration,
    "",
    ("ended", "report", "backfill"),
    "only payments counted since then: 10m, 1h30m, 2d (default: all)",
)
FAILED = Setting("failed", "", values.switch, "false", ("ended",), "payments that failed")
LATE = Setting("late", "", values.switch, "false", ("ended",), "payments that succeeded after lnd had given them up")
LOST = Setting("lost", "", values.switch, "false", ("ended",), "payments that lnd had forgotten before they ended")
CAUSE = Setting(
    "cause",
    "CAUSE,...",
    values.several_of(*Cause, *Lost),
    "",
    ("ended",),
    f"of those that failed or were lost only these causes, with commas: {', '.join((*Cause, *Lost))}",
    several=True,
)
REASON = Setting(
    "reason",
    "REASON,...",
    values.several_of(*Reason),
    "",
    ("ended",),
    f"of those that lnd gave up only these reasons of lnd's, with commas: {', '.join(Reason)}",
    several=True,
)
KIND = Setting(
    "kind",
    "KIND,...",
    values.several_of(*Kind),
    "",
    ("ended",),
    f"only payments of these kinds, with commas: {', '.join(Kind)}",
    several=True,
)
MIN_SAT = Setting(
    "min-sat", "NUMBER", values.sat, "0", ("ended",), "only payments of at least this amount, in whole sat"
)
PEER = Setting(
    "peer",
    "PEER",
    values.peer,
    "",
    ("ended",),
    "only payments through this direct peer: a part of its alias, or its key (66 hex digits, the first 4 are enough)",
)
LIMIT = Setting(
    "limit",
    "NUMBER",
    values.list_length,
    "",
    ("ended",),
    "at most this many payments of each node, the newest; 0 for all (default: 50, with --json all)",
)
BY = Setting(
    "by",
    "WHAT",
    values.one_of(*By),
    By.MONTH,
    ("report",),
    f"what payments are grouped by: {', '.join(By)}",
)
CSV = Setting("csv", "", values.switch, "false", ("report",), "print CSV, a row for each group, instead of a table")
JSON = Setting(
    "json",
    "",
    values.switch,
    "false",
    ("open", "ended", *OF_ONE_PAYMENT, "check", "report"),
    "print JSON instead of a table or text: one document (open, why, report, check --connect), or a line for each"
    " payment (ended) or update (track)",
)
CONNECT = Setting(
    "connect", "", values.switch, "false", ("check",), "ask each node whether the exporter could follow it, too"
)
NO_INFLIGHT = Setting(
    "no-inflight", "", values.switch, "false", ("track",), "print nothing before the payment has ended"
)
SHOW_SECRETS = Setting("show-secrets", "", values.switch, "false", ("track",), "show preimages and the payment request")
PROFILE = Setting(
    "profile",
    "NAME",
    values.text,
    "",
    ("rules",),
    "which rules: home, service, routing, or a profile of your own values",
    suggested=("home", "service", "routing"),
)
VALUES = Setting("values", "FILE", values.text, "", ("rules",), "a YAML file with your own values, on top of ours")
SHOW_VALUES = Setting("show-values", "", values.switch, "false", ("rules",), "print our values instead of the rules")
RECORDINGS = Setting(
    "recordings",
    "",
    values.switch,
    "false",
    ("rules",),
    "leave the alerts out, for promtool tsdb create-blocks-from rules",
)
GRAFANA = Setting("grafana", "URL", values.text, "", ("rules",), "the address of Grafana, for the links of the alerts")
RUNBOOKS = Setting("runbooks", "URL", values.text, "", ("rules",), "the address of the runbooks, for the same")
JOB = Setting("job", "NAME", values.text, "", ("rules",), "the exporter's job in prometheus.yml")
OUTPUT = Setting(
    "output",
    "PATH",
    values.text,
    "",
    ("rules", "dashboards", "backfill"),
    "the file (rules) or directory (dashboards, backfill) to write",
)
UNTIL = Setting(
    "until", "TIME", values.duration, "", ("backfill",), "write only what is older than that: 3h (default: all)"
)
STEP = Setting(
    "step",
    "TIME",
    values.step,
    "",
    ("backfill",),
    "time between two samples, 1s to 5m (default: 1m, for more than 31 days 2m, for more than 62 days 5m)",
)
LABELS = Setting(
    "labels",
    "NAME=VALUE,...",
    target_labels,
    "",
    ("backfill",),
    "the labels that Prometheus gives to the series of the exporter, as /targets shows them: job and instance at least",
)
ADOPT = Setting(
    "adopt",
    "",
    values.switch,
    "false",
    ("backfill",),
    "before the exporter's first start: write the sums of history into its state file, so that its counters go on",
)
FORMAT = Setting(
    "format",
    "FORMAT",
    values.one_of("plain", "kubernetes"),
    "plain",
    ("rules", "dashboards"),
    "plain is what Prometheus and Grafana read, kubernetes are manifests with the same content",
)
REMOTE_WRITE = Setting(
    "remote-write",
    "URL",
    addresses.receiver_url,
    "",
    ("backfill",),
    "send the samples to this remote-write receiver instead of writing files: http://prometheus:9090/api/v1/write",
)
HTTP_CONFIG = Setting(
    "http-config",
    "FILE",
    values.text,
    "",
    ("backfill",),
    "a file with the password, the TLS settings and the headers for --remote-write, as promtool has it"
    " (--http.config.file)",
)
