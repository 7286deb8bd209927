"""A real Lightning network on one machine: btcd, and the lnd nodes and channels described in `tests/stories/lab.py`."""

import asyncio
import base64
import shutil
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from tests.network.build import binaries
from tests.network.chain import Chain
from tests.network.node import Node, Refused
from tests.network.process import until
from tests.stories.lab import CHANNELS, FEE_BASE_MSAT, NODES, Channel

DAVE_ACCEPTS = 30
"""HTLCs that dave accepts at once in each channel, as Core Lightning does; an lnd accepts 483."""
NATIVE_SQL = ("--db.backend=sqlite", "--db.use-native-sql")
"""Flags with which dave keeps payments in tables; all others have lnd's default, a key-value database."""

# The first address of each wallet that opens channels, for btcd to mine to. Known beforehand, because wallets are
# derived from names; btcd takes them only when it starts.
MINERS = {
    "alice": "bcrt1q2msj89qcq7t9e2phzjeh9nhfzqewxq7fcafn8h",
    "carol": "bcrt1qd9mqksjalqjrestzpztdfteuxjcq7fltsqy3r5",
    "dave": "bcrt1qjxysdu4at5nwreprrauhuu64fe7ugnvjh3mcr6",
}
SEGWIT_HEIGHT = 440  # segwit is active after three periods of 144 blocks; the first coinbases are mature by then, too


class Network:
    """btcd and all nodes: call `start` once, use the nodes, call `stop` at the end."""

    def __init__(self, home: Path | None = None) -> None:
        """Prepare, and build the programs if necessary; `start` runs them."""
        tools = binaries()
        self.home = home or Path(tempfile.mkdtemp(prefix="lnd-network-"))
        self.chain = Chain(tools, self.home / "btcd", tuple(MINERS.values()))
        self.nodes = {name: Node(name, tools, self.home / name, self.chain, FEE_BASE_MSAT[name]) for name in NODES}
        self.nodes["dave"].flags += [f"--default-remote-max-htlcs={DAVE_ACCEPTS}", *NATIVE_SQL]
        self.started_in_s = 0.0

    async def start(self) -> None:
        """Start everything; return when every node can pay every other."""
        start = time.monotonic()
        await self.chain.start()
        _tell("btcd is up", start)
        await _together(self._create(node) for node in self.nodes.values())
        _tell("all nodes are up", start)
        height = await self.chain.mine(SEGWIT_HEIGHT)
        await _together(self._synced(node, height) for node in self.nodes.values())
        await self.chain.mine(1)  # a synced wallet can spend only after one more block
        await _together(self._can_spend(self.nodes[name]) for name in MINERS)
        _tell(f"{height} blocks are mined", start)
        await self._open_channels()
        _tell("channels are open and known to all", start)
        self.started_in_s = time.monotonic() - start

    async def stop(self) -> None:
        """Stop everything, the nodes before their chain, and remove all files."""
        await _together(node.stop() for node in self.nodes.values())
        await self.chain.stop()
        await _together(node.close() for node in self.nodes.values())
        shutil.rmtree(self.home, ignore_errors=True)

    async def connected(self, name: str) -> None:
        """Connect a node that has started to its peers, and wait until all its channels are active at both ends.

        lnd itself reconnects only to peers that it had connected to, for it doesn't know the address of others.
        """
        peers = {channel.peer if channel.opener == name else channel.opener for channel in _channels_of(name)}
        own = self.nodes[name]
        await _together(self._connect(own, self.nodes[peer]) for peer in peers)

        async def active() -> bool:
            for node, needed in [(own, len(_channels_of(name))), *((self.nodes[peer], 1) for peer in peers)]:
                other = {} if node is own else {"peer": _query_bytes(own.pubkey)}
                channels = await node.get("/v1/channels", active_only="true", **other)
                if len(channels["channels"]) < needed:
                    return False
            return True

        await until(f"{name}'s channels are active", active)

    async def disconnected(self, name: str, *peers: str) -> None:
        """Disconnect a node from peers until `connected`; both ends must disconnect, or the other one reconnects."""
        own = self.nodes[name]
        for peer in (self.nodes[peer] for peer in peers):
            await self._disconnect(peer, own)
            await self._disconnect(own, peer)

        async def inactive() -> bool:
            channels = (await own.get("/v1/channels", inactive_only="true"))["channels"]
            return {channel["remote_pubkey"] for channel in channels} >= {self.nodes[peer].pubkey for peer in peers}

        await until(f"{name}'s channels with {' and '.join(peers)} are inactive", inactive)

    async def missed(self, name: str) -> None:
        """Wait until the peers of a node that is down have noticed: their channels with it are inactive."""

        async def inactive() -> bool:
            for peer in {channel.peer if channel.opener == name else channel.opener for channel in _channels_of(name)}:
                query = {"active_only": "true", "peer": _query_bytes(self.nodes[name].pubkey)}
                if (await self.nodes[peer].get("/v1/channels", **query))["channels"]:
                    return False
            return True

        await until(f"{name} is missed", inactive)

    async def _create(self, node: Node) -> None:
        await node.create()
        address = (await node.get("/v1/newaddress", type="WITNESS_PUBKEY_HASH"))["address"]
        if MINERS.get(node.name, address) != address:
            raise AssertionError(f"the first address of {node.name} is {address}: correct MINERS")

    async def _synced(self, node: Node, height: int) -> None:
        await node.ready()

        async def synced() -> bool:
            info = await node.get("/v1/getinfo")
            return bool(info["synced_to_chain"]) and int(info["block_height"]) >= height

        await until(f"{node.name} has seen block {height}", synced)

    async def _can_spend(self, node: Node) -> None:
        async def has_coins() -> bool:
            return bool((await node.get("/v1/utxos", min_confs="1", max_confs="1000"))["utxos"])

        await until(f"{node.name} can spend", has_coins)

    async def _open_channels(self) -> None:
        await _together(self._connect(self.nodes[one.opener], self.nodes[one.peer]) for one in CHANNELS)
        for channel in CHANNELS:
            opener, peer = self.nodes[channel.opener], self.nodes[channel.peer]
            await opener.post(
                "/v1/channels",
                node_pubkey_string=peer.pubkey,
                local_funding_amount=str(channel.opener_sat + channel.peer_sat),
                push_sat=str(channel.peer_sat),
            )
        await self.chain.mine(6)  # a channel is announced after six confirmations
        await _together(self.connected(name) for name in NODES)
        await _together(self._knows_all(node) for node in self.nodes.values())

    async def _connect(self, node: Node, peer: Node) -> None:
        async def connected() -> bool:
            try:
                await node.post("/v1/peers", addr={"pubkey": peer.pubkey, "host": peer.p2p})
            except Refused as refused:
                return "already connected" in str(refused)
            return True

        await until(f"{node.name} is connected to {peer.name}", connected)

    async def _disconnect(self, node: Node, peer: Node) -> None:
        async def disconnected() -> bool:
            try:
                await node.delete(f"/v1/peers/{peer.pubkey}")
            except Refused as refused:
                if "is not connected" not in str(refused):
                    raise
                await self._connect(node, peer)
                return False
            return True

        await until(f"{node.name} is disconnected from {peer.name}", disconnected)

    async def _knows_all(self, node: Node) -> None:
        """Wait until a node knows the fees of all channels in both directions."""

        async def knows() -> bool:
            edges = (await node.get("/v1/graph"))["edges"]
            return len(edges) == len(CHANNELS) and all(e["node1_policy"] and e["node2_policy"] for e in edges)

        await until(f"{node.name} knows all channels", knows)


async def _together(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all concurrently; if one fails, cancel the others."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)


def _channels_of(name: str) -> list[Channel]:
    return [channel for channel in CHANNELS if name in (channel.opener, channel.peer)]


def _query_bytes(digits: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digits)).decode()


def _tell(line: str, start: float) -> None:
    sys.stderr.write(f"test network: {line} ({time.monotonic() - start:.1f} s)\n")
