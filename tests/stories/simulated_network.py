"""The network around simulated nodes: the same nodes and channels as in the real one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from exporter.simulator.world import Edge, Peer, World, generator, node
from tests.stories.lab import CHANNELS, FEE_BASE_MSAT, FEE_PPM, NODES


class Network:
    """The four nodes, and what their recipients know: preimages, and whether hold invoices are settled."""

    def __init__(self, home: Path) -> None:
        """Remember the directory for files."""
        self.home = home
        self.rng = generator("stories")
        self.nodes = {name: node(name, name.encode()) for name in NODES}
        self.preimages: dict[str, bytes] = {}
        """By payment hash."""
        self.settled: dict[str, asyncio.Future[bool]] = {}
        """Of hold invoices, by payment hash: True when settled, False when cancelled."""
        self.offline: set[str] = set()
        """Names of nodes that are shut down."""

    def world(self, name: str) -> World:
        """Return the world of the node `name`: its peers with its balances."""
        peers = []
        for channel in CHANNELS:
            if name in (channel.opener, channel.peer):
                ends = [(channel.opener, channel.opener_sat), (channel.peer, channel.peer_sat)]
                (_, own_sat), (peer, peer_sat) = ends if name == channel.opener else ends[::-1]
                peers.append(Peer(self.nodes[peer], own_sat, remote_sat=peer_sat))
        edges = tuple(self._edges(name))
        return World(self.nodes[name], tuple(peers), tuple(self.nodes.values()), "regtest", height=500, edges=edges)

    def _edges(self, name: str) -> Iterator[Edge]:
        """Yield both directions of all channels but those of the node itself, as the graph shows them."""
        for channel in CHANNELS:
            if name not in (channel.opener, channel.peer):
                capacity_msat = (channel.opener_sat + channel.peer_sat) * 1000
                for start, end in ((channel.opener, channel.peer), (channel.peer, channel.opener)):
                    keys = self.nodes[start].pubkey, self.nodes[end].pubkey
                    yield Edge(*keys, capacity_msat, FEE_BASE_MSAT[start], FEE_PPM)
