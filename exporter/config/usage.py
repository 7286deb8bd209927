"""What `--help` says, made from the table of settings."""

import textwrap

from exporter.config.credentials import BAKE
from exporter.config.settings import SETTINGS, Setting

WIDTH = 110
INDENT = 36

HEAD = """\
lnd-payments-exporter: a Prometheus exporter for the outgoing payments of lnd nodes

Usage:
  lnd-payments-exporter [run] FLAGS     serve /metrics (run is the default)
  lnd-payments-exporter demo            the same against a simulated node: needs no lnd, no flags
  lnd-payments-exporter open            list the payments in flight, by the state that an exporter keeps
  lnd-payments-exporter track HASH      follow one payment in lnd until it ends; takes the FLAGS of run, too
  lnd-payments-exporter check FLAGS     only look at the configuration: exit code 0 if it is right, 2 if not
  lnd-payments-exporter healthcheck     ask a running exporter whether it is ready: exit code 0 or 1

Examples:
  lnd-payments-exporter --lnd.dir ~/.lnd
  lnd-payments-exporter --lnd.address HOST:10009 --lnd.tls-cert tls.cert --lnd.macaroon payments.macaroon
  lnd-payments-exporter --lnd.transport rest --lnd.address HOST:8080 --lnd.tls-cert tls.cert \\
      --lnd.macaroon payments.macaroon
"""

GROUPS = {
    "lnd": "Which node (--lnd.dir, or --lnd.address with --lnd.tls-cert and --lnd.macaroon)",
    "web": "Where metrics are served",
    "metrics": "What to show",
    "storage": "What to keep",
    "log": "What to log",
    "command": "What the commands open and track show (--lnd.name: of that node only)",
    "config": "Other places for all this",
}

TAIL = f"""\
  --version                         the version
  -h, --help                        this text

Each flag can also be given as an environment variable: --lnd.tls-cert is LND_PAYMENTS_EXPORTER_LND_TLS_CERT.
And in the YAML file, where several nodes are listed instead of the lnd section:

  lnd:                                  nodes:
    address: lnd.example:10009            - name: alice
    tls_cert: tls.cert                      dir: /home/alice/.lnd
    macaroon: payments.macaroon           - name: bob
  web:                                      transport: websocket
    listen_address: :10019                  address: https://bob.example:8080
                                            tls_cert: bob/tls.cert
                                            macaroon: bob/payments.macaroon

A flag counts before the environment, that before the file. Paths in the file start at its folder.

A macaroon that is enough, and can do no more:

{textwrap.indent(BAKE, "  ")}
"""


def usage() -> str:
    """The whole text."""
    groups = [
        "\n".join([f"{title}:", *(_row(setting) for setting in SETTINGS.values() if setting.group == group)])
        for group, title in GROUPS.items()
    ]
    return "\n".join([HEAD, "\n\n".join(groups), TAIL])


def _row(setting: Setting) -> str:
    """A flag, what it is for, and its default."""
    text = setting.help + (f" (default: {setting.default})" if setting.default and not setting.switch else "")
    lines = textwrap.wrap(text, WIDTH - INDENT)
    left = f"  {setting.flag}" + ("" if setting.switch else f"={setting.metavar}")
    if len(left) < INDENT:
        left = f"{left:{INDENT}}{lines.pop(0)}"
    return "\n".join([left, *(" " * INDENT + line for line in lines)])
