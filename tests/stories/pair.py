"""A payer with one channel, whose peer can be frozen and whose channel can be closed: apart from the labs' network."""

import asyncio
import signal
from pathlib import Path
from typing import NamedTuple, Protocol

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.mutation import Fail, GiveUp
from tests.network.node import Node
from tests.network.process import until
from tests.network.regtest import Network
from tests.stories.lab import Invoice, Lab, Sending
from tests.stories.real import RealLab
from tests.stories.simulated import SimulatedLab
from tests.stories.simulated_network import Network as SimulatedNetwork

PAYER, PEER = "frank", "grace"
FUNDS_SAT, CHANNEL_SAT = 2_000_000, 1_000_000
DUST_SAT = 354
"""A smaller HTLC has no output of its own in a commitment."""
NEAR = "127.0.0.2"
"""lnd takes what comes from 127.0.0.1 for a connection through Tor, and waits three times as long for an answer."""
STORM_S = 300.0
"""The HTLCs of other stories end in this time: those of the storm are held for two minutes."""
NOTICED_S = 120.0
"""lnd disconnects a peer that doesn't answer after a minute and a half (`pingInterval`, `pingTimeout`)."""


class Listed(NamedTuple):
    """The channel as the payer's `ListChannels` shows it."""

    active: bool
    htlcs: int
    """Number of HTLCs that the payer has offered in it."""


class Pair(Protocol):
    """The payer and its peer."""

    name: str
    """The payer, and the exporter's name for it."""
    peer: str

    @property
    def lab(self) -> Lab:
        """The payer's lab; most of its methods need the labs' network."""

    async def pay(self, invoice: Invoice) -> Sending:
        """Pay an invoice of the peer, and don't wait."""

    async def listed(self) -> Listed | None:
        """Return the channel; None if it isn't listed."""

    async def freeze(self) -> None:
        """Stop the peer's process: its connections stay, but it answers nothing."""

    async def dropped(self) -> None:
        """Wait until the payer has noticed."""

    async def thaw(self) -> None:
        """Let the peer's process continue; return when the channel is active."""

    async def force_close(self) -> None:
        """Close the channel by the payer's commitment; return when it isn't listed any more."""

    async def confirm(self) -> None:
        """Mine a block: the commitment confirms, and HTLCs too small for an output of their own fail."""

    async def expire(self) -> None:
        """Mine blocks until the HTLCs are resolved on chain: they come back to the payer."""


class SimulatedPair:
    """See `Pair`. The payer is the simulated alice, with bob as her only peer; the peer is called bob."""

    def __init__(self, home: Path) -> None:
        """Prepare; `open` starts the payer."""
        self.name, self.peer = "alice", "bob"
        self.lab = SimulatedLab(SimulatedNetwork(home), self.name)
        world = self.lab.node.world
        world.peers = tuple(peer for peer in world.peers if peer.node.alias == self.peer)
        self._frozen = False
        self._sent: list[Invoice] = []

    async def pay(self, invoice: Invoice) -> Sending:
        """See `Pair`. A peer that is frozen doesn't acknowledge the HTLC."""
        self._sent.append(invoice)
        if self._frozen:
            self.lab.node.faults.ghosts.add(invoice.payment_hash)
        return await self.lab.pay(invoice, via=self.peer, timeout_s=3600)

    async def listed(self) -> Listed | None:
        """See `Pair`."""
        for channel in self.lab.node.channels().channels:
            return Listed(channel.active, len(channel.pending_htlcs))
        return None

    async def freeze(self) -> None:
        """See `Pair`."""
        self._frozen = True

    async def dropped(self) -> None:
        """See `Pair`. It takes some seconds, so that the channels are listed meanwhile."""
        await asyncio.sleep(3)
        await self.lab.disconnect(self.peer)

    async def thaw(self) -> None:
        """See `Pair`."""
        self._frozen = False
        self.lab.node.faults.ghosts.clear()
        await self.lab.connect()

    async def force_close(self) -> None:
        """See `Pair`."""
        self.lab.node.world.peers = ()

    async def confirm(self) -> None:
        """See `Pair`."""
        self._fail([invoice for invoice in self._sent if invoice.sat < DUST_SAT])

    async def expire(self) -> None:
        """See `Pair`."""
        self._fail(self._sent)

    def _fail(self, invoices: list[Invoice]) -> None:
        """Fail the HTLCs as lnd does, which then finds no other channel."""
        open_ = {payment_hash for payment_hash, _ in self.lab.node.database.outstanding()}
        for invoice in invoices:
            if (key := invoice.payment_hash) in open_:
                self.lab.node.database.apply(Fail(key, 0, pb.Failure.PERMANENT_CHANNEL_FAILURE, 0))
                self.lab.node.database.apply(GiveUp(key, pb.FAILURE_REASON_INSUFFICIENT_BALANCE))


class RealPair:
    """See `Pair`. Two further nodes on the chain of the real network; alice gives the payer its coins."""

    def __init__(self, network: Network, programs: Path, home: Path) -> None:
        """Prepare; `open` starts both nodes."""
        self.name, self.peer = PAYER, PEER
        self._network = network
        for name in (PAYER, PEER):
            network.nodes[name] = Node(name, programs, home / name, network.chain, 1000, host=NEAR)
        self._payer, self._peer = network.nodes[PAYER], network.nodes[PEER]

    async def open(self) -> None:
        """Start both nodes, and open the channel, which is private: other nodes don't hear of it."""
        mining = asyncio.create_task(self._mine())
        try:
            for node in (self._payer, self._peer):
                await node.create()
                await node.ready()
            address = (await self._payer.get("/v1/newaddress", type="WITNESS_PUBKEY_HASH"))["address"]
            await self._network.nodes["alice"].post("/v1/transactions", addr=address, amount=str(FUNDS_SAT))
            await until("the payer has coins", self._has_coins)
            await self._payer.post("/v1/peers", addr={"pubkey": self._peer.pubkey, "host": self._peer.p2p})
            await self._payer.post(
                "/v1/channels",
                node_pubkey_string=self._peer.pubkey,
                local_funding_amount=str(CHANNEL_SAT),
                private=True,
            )
            await until("the channel is active", self._is_active)
            await until("lnd pays over the channel", self._is_in_graph)
        finally:
            mining.cancel()
        self.lab = RealLab(self._network, PAYER)
        await self.lab.open()

    async def close(self) -> None:
        """Stop both nodes."""
        for name in (PAYER, PEER):
            node = self._network.nodes.pop(name)
            await node.stop()
            await node.close()

    async def pay(self, invoice: Invoice) -> Sending:
        """See `Pair`."""
        return await self.lab.pay(invoice, via=PEER, timeout_s=3600)

    async def listed(self) -> Listed | None:
        """See `Pair`."""
        for channel in (await self._payer.get("/v1/channels"))["channels"]:
            return Listed(channel["active"], sum(not htlc["incoming"] for htlc in channel["pending_htlcs"]))
        return None

    async def freeze(self) -> None:
        """See `Pair`."""
        self._peer.signal(signal.SIGSTOP)

    async def dropped(self) -> None:
        """See `Pair`."""
        await until("the channel is inactive", self._is_inactive, NOTICED_S)

    async def thaw(self) -> None:
        """See `Pair`."""
        self._peer.signal(signal.SIGCONT)
        await until("the channel is active", self._is_active)

    async def force_close(self) -> None:
        """See `Pair`."""
        (channel,) = (await self._payer.get("/v1/channels"))["channels"]
        point = channel["channel_point"].replace(":", "/")
        async with self._payer.stream("DELETE", f"/v1/channels/{point}?force=true") as updates:
            await anext(updates)
        await until("the channel isn't listed", self._is_gone)

    async def confirm(self) -> None:
        """See `Pair`."""
        await self._network.chain.mine(1)

    async def expire(self) -> None:
        """See `Pair`. First wait until no other node has an HTLC: it would expire, too."""
        height = 0

        async def quiet() -> bool:
            nodes = [node for node in self._network.nodes.values() if node is not self._peer]
            channels = [one for node in nodes for one in (await node.get("/v1/channels"))["channels"]]
            return not any(channel["pending_htlcs"] for channel in channels)

        async def resolved() -> bool:
            nonlocal height
            height = await self._network.chain.mine(5)
            await asyncio.sleep(0.5)
            return all(payment.status.ended for payment in await self.lab.list_payments())

        async def synced() -> bool:
            infos = [await node.get("/v1/getinfo") for node in self._network.nodes.values()]
            return all(info["synced_to_chain"] and info["block_height"] >= height for info in infos)

        await until("no HTLC of another node is in flight", quiet, STORM_S)
        await until("the HTLCs are resolved", resolved)
        await until("all nodes know the new blocks", synced)

    async def _mine(self) -> None:
        """Mine a block every 2 s until cancelled: a new node starts only when it has seen a recent block."""
        while True:
            await self._network.chain.mine(1)
            await asyncio.sleep(2)

    async def _has_coins(self) -> bool:
        return int((await self._payer.get("/v1/balance/blockchain"))["confirmed_balance"]) >= FUNDS_SAT

    async def _is_active(self) -> bool:
        return (await self.listed() or Listed(False, 0)).active

    async def _is_in_graph(self) -> bool:
        """Return True if the payer knows the policies of both ends: before that it finds no route over the channel."""
        both = {self._payer.pubkey, self._peer.pubkey}
        edges = (await self._payer.get("/v1/graph", include_unannounced="true"))["edges"]
        return any({e["node1_pub"], e["node2_pub"]} == both and e["node1_policy"] and e["node2_policy"] for e in edges)

    async def _is_inactive(self) -> bool:
        return not await self._is_active()

    async def _is_gone(self) -> bool:
        return await self.listed() is None
