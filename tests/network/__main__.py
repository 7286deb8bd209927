"""`make network`: starts the real network, prints commands for paying and watching, and stops it on Ctrl-C."""

import asyncio
import contextlib
import shlex
import signal
import sys
from pathlib import Path

from tests.network.build import CannotBuild
from tests.network.node import LIST_CHANNELS, OUR_CALLS, Node
from tests.network.regtest import Network
from tests.stories.lab import MORE_THAN_ALICE_HAS, TOO_MUCH_FOR_BOB


def main() -> int:
    """Run until Ctrl-C, and return the exit code: 2 if the network can't be built."""
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(play())
        except CannotBuild as error:
            print(f"The test network can't be built here: {error}", file=sys.stderr)
            return 2
    return 0


async def play() -> None:
    """Start the network, print the advice, and stop it on a signal."""
    stopped = asyncio.Event()
    network = Network()
    try:
        await network.start()
        macaroon = network.home / "payments.macaroon"
        await network.nodes["alice"].bake_macaroon(macaroon, root_key_id=0, calls=(*OUR_CALLS, LIST_CHANNELS))
        print(advice(network, macaroon), flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
        print("Stopping.", flush=True)
    finally:
        await network.stop()


def advice(network: Network, macaroon: Path) -> str:
    """Write the shell functions to a file, and return the commands to copy and paste."""
    commands = network.home / "commands"
    commands.write_text("".join(shell(node) for node in network.nodes.values()) + HELPERS)
    alice = network.nodes["alice"]
    program = Path(sys.executable).with_name("lnd-payments-exporter")
    node = f"--lnd.address {alice.address} --lnd.tls-cert {alice.tls_cert} --lnd.macaroon {macaroon}"
    pay = "alice payinvoice --force --fee_limit 10"
    return f"""
Four lnd nodes and five channels: the ring alice-bob-carol, and dave with carol and, nearly empty, with bob.

Watch alice, in another terminal:

  {shlex.quote(str(program))} {node}

or over REST, with --lnd.transport rest (or websocket) --lnd.address {alice.rest} instead.

Paste this into yet another terminal (bash); then alice, bob, carol and dave are lncli there:

  . {commands}

Payments that succeed:

  {pay} $(carol addinvoice 5000 | request)
  {pay} --max_shard_size_sat 100000 $(carol addinvoice 300000 | request)       # three parts
  {pay} --max_parts 1 $(dave addinvoice {TOO_MUCH_FOR_BOB} | request)          # fails through bob first
  {pay} --allow_self_payment --outgoing_chan_id $(channel alice bob) --last_hop $(key carol) \\
    $(alice addinvoice 5000 | request)                                         # a rebalance
  alice sendpayment --force --keysend --dest $(key dave) --amt 1000

Payments that fail:

  {pay} $(bob addinvoice {MORE_THAN_ALICE_HAS} | request)                      # more than alice has
  alice sendpayment --force --dest $(key bob) --amt 1000 --final_cltv_delta 80 \\
    --payment_hash $(random)                                                   # an unknown hash: counts as a probe

A payment that is held until you settle or cancel it:

  secret=$(random); {pay} $(bob addholdinvoice $(sha $secret) 1000 | request) &
  bob settleinvoice $secret                                                    # or:
  bob cancelinvoice $(sha $secret)

Ctrl-C stops everything and removes {network.home}.
"""


# Shell functions; most read the JSON that lncli prints.
HELPERS = """
request() { python3 -c 'import json, sys; print(json.load(sys.stdin)["payment_request"])'; }
random() { python3 -c 'import secrets; print(secrets.token_hex(32))'; }
sha() { python3 -c 'import hashlib, sys; print(hashlib.sha256(bytes.fromhex(sys.argv[1])).hexdigest())' "$1"; }
channel() {
  "$1" listchannels --peer $(key "$2") |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["channels"][0]["scid"])'
}
key() { "$1" getinfo | python3 -c 'import json, sys; print(json.load(sys.stdin)["identity_pubkey"])'; }
"""


def shell(node: Node) -> str:
    """Return a shell function, with the node's name, that runs lncli for it."""
    return f'{node.name}() {{ {shlex.join(node.lncli())} "$@"; }}\n'


if __name__ == "__main__":
    sys.exit(main())
