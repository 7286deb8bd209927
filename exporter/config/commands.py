"""The table of commands: usage line, summary, exit codes and the other parts of each `--help`."""

from typing import Literal

from exporter.config.command_help import BAD_CALL, BUG, NO_STDOUT, STOPPED, UNWRITABLE, WRONG, CommandHelp
from exporter.config.past_commands import BACKFILL, REPORT
from exporter.config.values import LISTEN, LISTEN_DEMO

PROGRAM = "lnd-payments-exporter"

Command = Literal[
    "run",
    "demo",
    "open",
    "ended",
    "track",
    "why",
    "check",
    "report",
    "backfill",
    "healthcheck",
    "state export",
    "state import",
    "rules",
    "dashboards",
    "alertmanager-example",
    "completion",
    "man",
]

OF_ONE_PAYMENT: tuple[Command, ...] = ("track", "why")
"""The commands that take the hash of a payment, and ask lnd about it."""
OF_STATE: tuple[Command, ...] = ("state export", "state import")
"""The commands that move the state of nodes to another exporter."""
SERVE: tuple[Command, ...] = ("run", "demo", "check")
"""The commands that serve metrics, and `check`, which tells how."""
FOLLOW_NODES: tuple[Command, ...] = ("run", "check")
"""The commands that follow the user's nodes, and `check`, which tells how."""
PRINT: tuple[Command, ...] = ("rules", "dashboards", "alertmanager-example", "completion", "man")
"""The commands that only write what the program brings along: they read no settings of the exporter."""
OF_ONE_NODE: tuple[Command, ...] = (*OF_ONE_PAYMENT, "backfill")
"""The commands that ask one node, which --lnd.name chooses if the file lists several."""
ASKS: tuple[Command, ...] = (*OF_ONE_NODE, "report")
"""The commands that ask lnd, and serve nothing."""
CALL_LND: tuple[Command, ...] = ("run", *ASKS, "check")
"""The commands that use the settings of nodes."""


COMMANDS: dict[Command, CommandHelp] = {
    "run": CommandHelp(
        "[run] FLAGS",
        "serve /metrics (run is the default)",
        {"0": STOPPED, "1": BUG, "2": f"{WRONG}, or the state file can't be used"},
    ),
    "demo": CommandHelp(
        "demo [FLAGS]",
        "the same against a simulated node: needs no lnd",
        {"0": "stopped by Ctrl-C, SIGTERM or SIGHUP", "1": BUG, "2": WRONG},
        "Run the exporter against a simulated node that makes payments. Nothing is kept when it ends.",
        "demo --web.listen-address=127.0.0.1:8000",
        {"web.listen-address": f"where metrics are served (default: {LISTEN_DEMO})"},
    ),
    "open": CommandHelp(
        "open [FLAGS]",
        "list the payments in flight, from an exporter's state file",
        {"0": "listed, even if nothing is in flight", "1": UNWRITABLE, "2": f"{WRONG}, or there is no state file"},
        "List the payments in flight, the oldest first. They come from the state file that the exporter writes, so lnd"
        " is not asked, and the exporter need not run. Run it as the exporter's user.",
        "open --older-than=1h",
        {"lnd.name": "only this node", "json": "print one JSON document instead of a table"},
    ),
    "ended": CommandHelp(
        "ended [FLAGS]",
        "list the payments that ended, from an exporter's state file",
        {"0": "listed, even if there are none", "1": UNWRITABLE, "2": f"{WRONG}, or there is no state file"},
        "List the payments that ended, the newest first: those by which the counters grew in the same time. They come"
        " from the state file that the exporter writes, so lnd is not asked, and the exporter need not run. Run it as"
        " the exporter's user. Without filters it lists all; with --failed, --late, --lost those of each of these"
        " flags that is given; and each other filter leaves out what it doesn't name.",
        "ended --since=1h --failed",
        {"lnd.name": "only this node", "json": "print a line of JSON for each payment instead of a table"},
    ),
    "track": CommandHelp(
        "track HASH [FLAGS]",
        "follow one payment in lnd until it ends",
        {
            "0": "the payment succeeded",
            "1": "the payment failed",
            "2": WRONG,
            "3": f"lnd doesn't know the payment or can't be asked, or {UNWRITABLE}",
            "130, 143": "stopped by Ctrl-C, by SIGTERM; the payment goes on",
        },
        "Follow one payment in lnd until it ends, and show its attempts, their routes and fees, and who failed them."
        " HASH is the payment hash: 64 hex digits or base64; `open` shows those in flight. To reach lnd it needs the"
        " settings of the exporter: flags, environment or file. It changes nothing in lnd.",
        "track HASH --lnd.dir ~/.lnd",
        {
            "lnd.name": "which node, if the file lists several",
            "json": "print a line of JSON for each update instead of a table",
        },
    ),
    "why": CommandHelp(
        "why HASH [FLAGS]",
        "explain what became of one payment, and what to do",
        {
            "0": "the payment succeeded",
            "1": "the payment failed",
            "2": WRONG,
            "3": f"lnd doesn't know the payment or can't be asked, or {UNWRITABLE}",
            "4": "the payment is in flight",
            "130, 143": "stopped by Ctrl-C, by SIGTERM",
        },
        "Explain one payment in plain words: the verdict, what speaks for it, and what to do. HASH is the payment hash:"
        " 64 hex digits or base64; `open` shows those in flight, `ended` those that ended. To reach lnd it needs the"
        " settings of the exporter: flags, environment or file. It only asks: nothing is sent or changed. If the"
        " macaroon also allows DecodePayReq, QueryRoutes and GetNodeInfo, it asks lnd for a route now; without them"
        " it says what it couldn't ask.",
        "why HASH --lnd.dir ~/.lnd",
        {
            "lnd.name": "which node, if the file lists several",
            "json": "print one JSON document instead of text",
            "storage.path": "the exporter's state file, if it isn't at this user's default path: its list of ended"
            " payments knows attempts that lnd has deleted",
        },
    ),
    "check": CommandHelp(
        "check FLAGS",
        "check the configuration, and with --connect ask each node whether it can be followed",
        {
            "0": "the configuration is valid; there may be warnings",
            "1": f"{UNWRITABLE}; with --connect also: a node can't be followed, or a port is taken",
            "2": f"{WRONG}, or the state file can't be used",
            "130, 143": "with --connect: stopped by Ctrl-C, by SIGTERM",
        },
        "Check the configuration, the files that it names and the place of the state file, and print what the exporter"
        " would do. Nothing is started, and lnd is not asked. With --connect each node is asked whether the exporter"
        " could follow it: a line for each thing that was looked at, and what to do about it. Run it as the exporter's"
        " user, with its flags.",
        "check --connect --config.file=exporter.yml",
        {"json": "print the findings of --connect as one JSON document"},
    ),
    "report": REPORT,
    "backfill": BACKFILL,
    "healthcheck": CommandHelp(
        "healthcheck [FLAGS]",
        "ask a running exporter whether it is ready: exit code 0 or 1",
        {"0": "ready", "1": "not ready, or no answer within 3 seconds", "2": WRONG},
        "Ask a running exporter on this machine whether it is ready (GET /-/ready), as container engines do. With TLS,"
        " too; it needs no password: the exporter listens only when it is ready, so an answer that asks for one is"
        " enough.",
        "healthcheck --web.listen-address=:8000",
        {
            "web.listen-address": f"where that exporter serves metrics (default: {LISTEN})",
            "web.config.file": "that exporter's web file, needed only if it requires client certificates",
        },
    ),
    "state export": CommandHelp(
        "state export NODE [FILE]",
        "write the state of one node to a file, for another exporter",
        {
            "0": "exported; there may be a warning on standard error",
            "1": UNWRITABLE,
            "2": f"{WRONG}, FILE exists, or the node isn't in the state file",
        },
        "Write all that the state file has of one node to a new FILE, which `state import` adds to the state file of"
        " another exporter. Without FILE, or with - instead, it goes to standard output. The state file stays as it is,"
        " and the exporter may run, but it should not follow the node any more: what it counts afterwards is counted by"
        " the other exporter, too. Run it as the exporter's user.",
        "state export alice alice.state",
    ),
    "state import": CommandHelp(
        "state import FILE...",
        "add nodes that `state export` has written to the state file",
        {
            "0": "the state file has these nodes, now or already with the same content",
            "1": UNWRITABLE,
            "2": f"{WRONG}, or an export or the state file can't be used",
        },
        "Add the nodes of one or more exports to the state file; it is created if there is none. All of them are added,"
        " or none; a node that it counts already is refused. FILE may be - for standard input. The exporter of this"
        " state file must not run. At its next start it goes on with these nodes as after a restart. Run it as the"
        " exporter's user.",
        "state import alice.state bob.state",
    ),
    "rules": CommandHelp(
        "rules --profile=NAME [FLAGS]",
        "print the recording rules and alerts for Prometheus",
        {
            "0": "printed, or written",
            "1": NO_STDOUT,
            "2": f"{BAD_CALL}, a value is wrong, or PATH can't be written or is another file",
        },
        "Print the rule file of a profile: `home` for your own node with a few payments a day, `service` for many"
        " payments and users who wait for them, `routing` for a node that rebalances all day. To change values (success"
        " targets, thresholds, severities), write those that you want to change into a file of the same form as"
        " --show-values prints, and give it with --values.",
        "rules --profile=home --grafana=https://grafana.example \\\n      > /etc/prometheus/lnd-payments.rules.yml",
        {
            "output": "write to this file instead of standard output",
            "format": "plain is a rule file, kubernetes a PrometheusRule for the Prometheus Operator (default: plain)",
        },
    ),
    "dashboards": CommandHelp(
        "dashboards --output=DIR [FLAGS]",
        "write the Grafana dashboards into a directory",
        {
            "0": "written",
            "1": NO_STDOUT,
            "2": f"{BAD_CALL}, or a file can't be written or is another one",
        },
        "Write a file for each of the five dashboards, to import them into Grafana or to let it read the directory."
        " Older versions of these files are replaced, and no others.",
        "dashboards --output=/var/lib/grafana/dashboards",
        {
            "output": "the directory; it is created if there is none",
            "format": "plain is JSON for Grafana, kubernetes ConfigMaps for its Helm chart's sidecar (default: plain)",
        },
    ),
    "alertmanager-example": CommandHelp(
        "alertmanager-example",
        "print an example configuration of Alertmanager",
        {"0": "printed", "1": UNWRITABLE, "2": BAD_CALL},
        "Print an example configuration of Alertmanager for these alerts: which of them wake somebody up, which are"
        " collected, and which are silent because of others. Change the addresses of the receivers.",
        "alertmanager-example > alertmanager.yml",
    ),
    "completion": CommandHelp(
        "completion SHELL",
        "print the completion of commands and flags for a shell",
        {"0": "printed", "1": UNWRITABLE, "2": BAD_CALL},
        "Print a script that lets a shell complete commands, flags, their values and files when you press Tab. SHELL is"
        " bash, zsh or fish. Write it to where your shell looks for it, and begin a new session. zsh looks for a file"
        " _lnd-payments-exporter in the directories of $fpath, fish for lnd-payments-exporter.fish in"
        " ~/.config/fish/completions.",
        "completion bash \\\n      > ~/.local/share/bash-completion/completions/lnd-payments-exporter",
    ),
    "man": CommandHelp(
        "man",
        "print the manual page",
        {"0": "printed", "1": UNWRITABLE, "2": BAD_CALL},
        "Print the manual page, with all commands and settings, in the format that `man` reads.",
        "man | man -l -",
    ),
}
