"""The network that simulated nodes stand for: the same nodes and channels as the real one."""

import asyncio
from pathlib import Path

from exporter.simulator.world import Peer, World, generator, node
from tests.stories.lab import CHANNELS, NODES


class Network:
    """The four nodes, and what recipients know: preimages, and their verdicts on hold invoices."""

    def __init__(self, home: Path) -> None:
        """Files go to `home`."""
        self.home = home
        self.chance = generator("stories")
        self.nodes = {name: node(name, name.encode()) for name in NODES}
        self.preimages: dict[str, bytes] = {}
        self.verdicts: dict[str, asyncio.Future[bool]] = {}
        """True: settle; False: cancel. Of hold invoices only."""

    def world(self, name: str) -> World:
        """As `name` sees it."""
        peers = []
        for channel in CHANNELS:
            if name in (channel.opener, channel.peer):
                peer, own_sat = (
                    (channel.peer, channel.opener_sat) if name == channel.opener else (channel.opener, channel.peer_sat)
                )
                peers.append(Peer(self.nodes[peer], own_sat))
        return World(self.nodes[name], tuple(peers), tuple(self.nodes.values()), "regtest", height=500)
