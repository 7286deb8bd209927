"""A stand-in lnd: real gRPC and REST with TLS and a macaroon, payments that are played to it, faults on demand."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator import credentials
from exporter.simulator.clock import NS, Clock, WallClock
from exporter.simulator.database import Database, Options
from exporter.simulator.faults import BROKEN, Faults
from exporter.simulator.gateway import Gateway
from exporter.simulator.mutation import Life
from exporter.simulator.service import EVERYTHING, Service
from exporter.simulator.timeline import timeline
from exporter.simulator.tower import ControlTower, End
from exporter.simulator.truth import Finished
from exporter.simulator.world import World, generator

_SHUTTING_DOWN = End(grpc.StatusCode.UNKNOWN, "routerrpc server shutting down")
_HOST = "127.0.0.1"
_GRACE_S = 10.0  # what hangs when the node stops is cut off after this: on a busy machine last words take a while
_OPTIONS = (
    # lnd's keepalive policy: whoever pings more often than every 5 s, or without a stream, is disconnected.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.so_reuseport", 0),
)
_STARTING = (pb.WAITING_TO_START, pb.LOCKED, pb.UNLOCKED, pb.RPC_ACTIVE, pb.SERVER_ACTIVE)


class SimulatedNode:
    """One node. Everything that a client would find in lnd's directory is in `directory`.

    What happens to payments comes in by `play`, or for full control by `database.apply`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: object = 0,
        world: World | None = None,
        clock: Clock | None = None,
        options: Options | None = None,
        permissions: Iterable[str] = EVERYTHING,
        version: str = "0.21.2-beta commit=v0.21.2-beta",
    ) -> None:
        """Not yet started; write the credentials."""
        self.world = world or World.random(seed)
        self.clock: Clock = clock or WallClock()
        self.faults = Faults()
        self.calls: Counter[Method] = Counter()
        """How often each method was called, refusals included."""
        self.state: pb.WalletState = pb.WAITING_TO_START
        self.state_watchers: set[asyncio.Queue[pb.WalletState | End]] = set()
        self.macaroons: dict[bytes, frozenset[str]] = {}
        """Those that the node accepts, and the methods that each allows."""
        self.revoked: dict[bytes, int] = {}
        """Those that it accepted before, with the ids of their root keys."""
        self.tls_cert = directory / "tls.cert"
        self.macaroon = directory / "payments.macaroon"
        self.address = ""
        """HOST:PORT of its gRPC, once started; survives restarts."""
        self.rest = ""
        """HOST:PORT of its REST, the same."""
        self._chance = generator("node", seed)
        self._version = version
        self._options = options
        self._server: grpc.aio.Server | None = None
        self._service = Service(self)
        self._gateway = Gateway(self._service)
        self._serving = asyncio.Event()
        self.renew_database()
        self.renew_certificate()
        self.renew_macaroon(permissions)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    # What happens to payments.

    async def play(self, *lives: Life) -> None:
        """Let these lives happen, all beginning now, until the last one is over. They wait while the node is down."""
        elapsed_s = 0.0
        for at_s, mutation in timeline(lives):
            await self.clock.sleep(at_s - elapsed_s)
            elapsed_s = at_s
            await self.serving()
            self.database.apply(mutation)

    async def serving(self) -> None:
        """Wait until payments go on: what is resolved while a node is down, it learns when it is up again."""
        await self._serving.wait()

    def truth(self) -> list[Finished]:
        """What a perfect observer would have counted: every run that ended, in the order of their ends."""
        return self.database.truth()

    def secrets(self) -> set[str]:
        """All that may never be seen outside: preimages and macaroons in hex, payment requests."""
        return self.database.secrets | {known.hex() for known in self.macaroons}

    async def subscribers(self, number: int) -> None:
        """Wait until so many streams of TrackPayments are open: lnd doesn't tell its clients, a test must know."""
        await self.tower.subscribers(number)

    async def drained(self) -> None:
        """Wait until every stream of TrackPayments was sent all there is."""
        await self.tower.drained()

    # The life of the node. Its database, address and files survive all of this.

    async def start(self, state: pb.WalletState = pb.SERVER_ACTIVE) -> None:
        """Listen, and get as far as `state`. A locked node listens too, and refuses everything but its state."""
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers(tuple(self._service.handlers()))
        key = grpc.ssl_server_credentials([(self._certificate.key, self._certificate.certificate)])
        port = server.add_secure_port(self.address or f"{_HOST}:0", key)
        self.address = f"{_HOST}:{port}"
        self.advance(state)
        rest = await self._gateway.start(_HOST, int(self.rest.rpartition(":")[2] or 0), self._certificate)
        self.rest = f"{_HOST}:{rest}"
        await server.start()
        self._server = server

    def advance(self, state: pb.WalletState) -> None:
        """Get to another state of starting, and tell those who listen. Payments go on from SERVER_ACTIVE."""
        self.state = state
        for news in self.state_watchers:
            news.put_nowait(state)
        if state == pb.SERVER_ACTIVE:
            self._serving.set()
        else:
            self._serving.clear()

    async def stop(self) -> None:
        """Shut down in order: every stream is told, then the port is closed."""
        self._serving.clear()
        self.tower.end(_SHUTTING_DOWN)
        for news in self.state_watchers:
            news.put_nowait(BROKEN)  # nobody tells those who listen to the state
        await self._close(_GRACE_S)

    async def kill(self) -> None:
        """Break every connection, say nothing."""
        self._serving.clear()
        await self._close(None)

    async def _close(self, grace_s: float | None) -> None:
        if self._server is not None:
            await asyncio.gather(self._server.stop(grace_s), self._gateway.stop(abruptly=grace_s is None))
            self._server = None
            self.database.restarted()

    async def restart(self, state: pb.WalletState = pb.SERVER_ACTIVE) -> None:
        """Stop and start again."""
        await self.stop()
        await self.start(state)

    async def lock(self) -> None:
        """Restart without the wallet's password."""
        await self.restart(pb.LOCKED)

    async def unlock(self) -> None:
        """Give the password."""
        for state in (pb.UNLOCKED, pb.RPC_ACTIVE, pb.SERVER_ACTIVE):
            self.advance(state)
            await asyncio.sleep(0)

    def end_streams(self, end: End) -> None:
        """End all streams of payments now, after what is queued, while the node lives on."""
        self.tower.end(end)

    # What may be replaced. Certificate, identity and database only while the node is down.

    def renew_certificate(self) -> None:
        """A new certificate, in the same file; the next start uses it."""
        self._certificate = credentials.certificate()
        credentials.replace(self.tls_cert, self._certificate.certificate)

    def revoke_macaroons(self) -> None:
        """No macaroon is accepted from now on, until there is a new one. Streams that are open stay open."""
        for known in self.macaroons:
            self.revoked[known] = len(self.revoked) + 1
        self.macaroons = {}

    def renew_macaroon(self, permissions: Iterable[str] = EVERYTHING) -> None:
        """A new macaroon, in the same file; no other is accepted from now on."""
        self.revoke_macaroons()
        credentials.replace(self.macaroon, self.another_macaroon(permissions))

    def another_macaroon(self, permissions: Iterable[str]) -> bytes:
        """A macaroon that is accepted, too, until all are revoked; it is in no file."""
        allowed = frozenset(permissions)
        made = credentials.macaroon(self._chance.randbytes(32), len(self.revoked) + 1, sorted(allowed))
        self.macaroons[made] = allowed
        return made

    def renew_database(self) -> None:
        """Start with an empty database: what was in the old one is gone, and so is the truth about it."""
        self.database = Database(self.clock.now_ns, self._options)
        self.tower = ControlTower(self.database)

    def become(self, world: World) -> None:
        """Be another node behind the same address, with a database of its own."""
        self.world = world
        self.renew_database()

    # What the node says of itself.

    def info(self) -> pb.GetInfoResponse:
        """The answer to GetInfo."""
        active = sum(peer.active for peer in self.world.peers)
        return pb.GetInfoResponse(
            identity_pubkey=self.world.me.pubkey,
            alias=self.world.me.alias,
            num_active_channels=active,
            num_inactive_channels=len(self.world.peers) - active,
            block_height=self.world.height,
            synced_to_chain=True,
            best_header_timestamp=self.clock.now_ns() // NS,
            version=self._version,
            chains=[pb.Chain(network=self.world.network)],
        )

    def channels(self) -> pb.ListChannelsResponse:
        """The answer to ListChannels, with aliases."""
        return pb.ListChannelsResponse(
            channels=[
                pb.Channel(
                    active=peer.active,
                    remote_pubkey=peer.node.pubkey,
                    local_balance=peer.local_sat,
                    local_constraints=pb.ChannelConstraints(chan_reserve_sat=peer.reserve_sat),
                    peer_alias=peer.node.alias,
                )
                for peer in self.world.peers
            ]
        )
