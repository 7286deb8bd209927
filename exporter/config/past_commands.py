"""The help texts of the commands that read the past from lnd."""

from exporter.config.command_help import UNWRITABLE, WRONG, CommandHelp

REPORT = CommandHelp(
    "report [FLAGS]",
    "add up what lnd's payments cost, how many succeeded, and why others failed",
    {
        "0": "printed, even if there are no payments",
        "1": f"lnd can't be asked, or {UNWRITABLE}",
        "2": WRONG,
        "130, 143": "stopped by Ctrl-C, by SIGTERM",
    },
    "Read all payments of each node from lnd, and add up amounts, fees, successes and failures, by month or by"
    " something else. It needs no Prometheus and no state file, and the exporter need not run. To reach lnd it"
    " needs the settings of the exporter: flags, environment or file. It changes nothing in lnd, and lets it rest"
    " for half of the time.",
    "report --by=kind --lnd.dir ~/.lnd",
    {
        "since": "only payments that ended since then: 12h, 30d, 52w (default: all)",
        "lnd.name": "only this node, if the file lists several",
        "json": "print one JSON document instead of a table",
    },
)
BACKFILL = CommandHelp(
    "backfill FLAGS",
    "write the payments of before as history for Prometheus",
    {
        "0": "all is written, or was before",
        "1": f"lnd can't be asked, {UNWRITABLE}, or the receiver refuses it; run it again to continue",
        "2": f"{WRONG}, or the order is: see --adopt",
        "130, 143": "stopped by Ctrl-C, by SIGTERM; run it again to continue",
    },
    "Read all payments that ended before the exporter began to count, from lnd, and write them as series with the"
    " same names, labels and values as on its page: into a directory of OpenMetrics files for promtool, or to a"
    " receiver by remote write. Best before the first start of the exporter, with --adopt: then its counters go on"
    " from the sums of history. If it has counted already, leave --adopt out: history ends where counting began.",
    "backfill --lnd.dir ~/.lnd --adopt --output=history \\\n      --labels=job=lnd-payments,instance=localhost:10019",
    {
        "output": "the directory of the files; it is created if there is none. - is standard output",
        "since": "write only what is newer than that: 15d, 4w (default: all). All payments are read and summed",
        "lnd.name": "the label `node`, and which node, if the file lists several",
        "storage.path": "the exporter's state file, which tells where counting began",
        "metrics.max-peers": "as for the exporter",
        "metrics.without": "as for the exporter",
    },
)
