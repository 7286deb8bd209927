"""A simulated lnd: gRPC and REST with TLS and macaroons, payments played from scenarios, faults on demand."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.simulator import credentials
from exporter.simulator.calls import Call
from exporter.simulator.channels import list_channels
from exporter.simulator.clock import Clock, WallClock
from exporter.simulator.database import Database, Options
from exporter.simulator.faults import BROKEN, Faults
from exporter.simulator.mutation import Scenario
from exporter.simulator.questions import Questions
from exporter.simulator.rest_server import RestServer
from exporter.simulator.service import ALL_PERMISSIONS, Service
from exporter.simulator.subscriptions import RpcStatus, Subscriptions
from exporter.simulator.timeline import timeline
from exporter.simulator.truth import Finished
from exporter.simulator.world import World, generator

_SHUTTING_DOWN = RpcStatus(grpc.StatusCode.UNKNOWN, "routerrpc server shutting down")
_HOST = "127.0.0.1"
_GRACE_S = 10.0  # for open calls when the node stops; long, because on a busy machine the last messages take a while
_OPTIONS = (
    # lnd's keepalive policy: a client that pings more often than every 5 s, or without a stream, is disconnected.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.so_reuseport", 0),
)


class SimulatedNode:
    """One node. `directory` has the files that lnd's directory has for clients: the certificate and a macaroon.

    Payments happen by `play`, or step by step by `database.apply`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: object = 0,
        world: World | None = None,
        clock: Clock | None = None,
        options: Options | None = None,
        permissions: Iterable[str] = ALL_PERMISSIONS,
        version: str = "0.21.2-beta commit=v0.21.2-beta",
    ) -> None:
        """Write certificate and macaroon; `start` listens."""
        self.world = world or World.random(seed)
        self.clock: Clock = clock or WallClock()
        self.faults = Faults()
        self.calls: Counter[Call] = Counter()
        """Number of calls of each method, refused ones included."""
        self.state: pb.WalletState = pb.WAITING_TO_START
        self.state_watchers: set[asyncio.Queue[pb.WalletState | RpcStatus]] = set()
        self.macaroons: dict[bytes, frozenset[str]] = {}
        """Accepted macaroons with the method paths that each allows."""
        self.revoked: dict[bytes, int] = {}
        """Formerly accepted macaroons with the ids of their root keys."""
        self.tls_cert = directory / "tls.cert"
        self.macaroon = directory / "payments.macaroon"
        self.address = ""
        """HOST:PORT of gRPC; empty before the first start, the same after each restart."""
        self.rest = ""
        """HOST:PORT of REST, likewise."""
        self._rng = generator("node", seed)
        self._version = version
        self._options = options
        self._server: grpc.aio.Server | None = None
        self._service = Service(self)
        self._rest_server = RestServer(self._service)
        self._serving = asyncio.Event()
        self.renew_database()
        self.renew_certificate()
        self.renew_macaroon(permissions)

    async def __aenter__(self) -> Self:
        """Start the node."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the node."""
        await self.stop()

    # Payments.

    async def play(self, *scenarios: Scenario) -> None:
        """Play scenarios, all beginning now; return when the last one is over. They pause while the node is down."""
        elapsed_s = 0.0
        for at_s, mutation in timeline(scenarios):
            await self.clock.sleep(at_s - elapsed_s)
            elapsed_s = at_s
            await self.wait_until_serving()
            self.database.apply(mutation)

    async def wait_until_serving(self) -> None:
        """Wait until the node serves calls: HTLCs resolved while it is down are learnt when it is up again."""
        await self._serving.wait()

    def truth(self) -> list[Finished]:
        """Return the counts that an exporter must come to: every run that ended, in the order of the ends."""
        return self.database.truth()

    def secrets(self) -> set[str]:
        """Return all secrets that the exporter must not expose: preimages and macaroons in hex, payment requests."""
        return self.database.secrets | {macaroon.hex() for macaroon in self.macaroons}

    async def wait_for_subscribers(self, number: int) -> None:
        """Wait until exactly `number` streams of TrackPayments are open: lnd doesn't acknowledge a subscription."""
        await self.subscriptions.wait_for_subscribers(number)

    async def wait_until_drained(self) -> None:
        """Wait until everything has been sent on every stream of TrackPayments."""
        await self.subscriptions.wait_until_drained()

    # Start, stop and lock. Database, address and files survive all of this.

    async def start(self, state: pb.WalletState = pb.SERVER_ACTIVE) -> None:
        """Listen, and get as far as `state`. A locked node listens too, but answers the state service only."""
        server = grpc.aio.server(options=_OPTIONS)
        questions = Questions(self, self._service.authorize)
        server.add_generic_rpc_handlers((*self._service.handlers(), *questions.handlers()))
        key = grpc.ssl_server_credentials([(self._certificate.key, self._certificate.certificate)])
        port = server.add_secure_port(self.address or f"{_HOST}:0", key)
        self.address = f"{_HOST}:{port}"
        self.set_state(state)
        rest = await self._rest_server.start(_HOST, int(self.rest.rpartition(":")[2] or 0), self._certificate)
        self.rest = f"{_HOST}:{rest}"
        await server.start()
        self._server = server

    def set_state(self, state: pb.WalletState) -> None:
        """Change the state, and send it to the subscribers of it. Payments go on in SERVER_ACTIVE only."""
        self.state = state
        for queue in self.state_watchers:
            queue.put_nowait(state)
        if state == pb.SERVER_ACTIVE:
            self._serving.set()
        else:
            self._serving.clear()

    async def stop(self) -> None:
        """Shut down in order: end every stream of payments with a status, then close the ports."""
        self._serving.clear()
        self.subscriptions.end(_SHUTTING_DOWN)
        for queue in self.state_watchers:
            queue.put_nowait(BROKEN)  # lnd doesn't end streams of its state: their connection breaks
        await self._close(_GRACE_S)

    async def kill(self) -> None:
        """Break every connection without a status, as `kill -9` does."""
        self._serving.clear()
        await self._close(None)

    async def _close(self, grace_s: float | None) -> None:
        if self._server is not None:
            await asyncio.gather(self._server.stop(grace_s), self._rest_server.stop(abruptly=grace_s is None))
            self._server = None
            self.database.drop_reserved_ids()

    async def restart(self, state: pb.WalletState = pb.SERVER_ACTIVE) -> None:
        """Stop and start again."""
        await self.stop()
        await self.start(state)

    async def lock(self) -> None:
        """Restart with a locked wallet."""
        await self.restart(pb.LOCKED)

    async def unlock(self) -> None:
        """Unlock the wallet, and pass through the states up to SERVER_ACTIVE."""
        for state in (pb.UNLOCKED, pb.RPC_ACTIVE, pb.SERVER_ACTIVE):
            self.set_state(state)
            await asyncio.sleep(0)

    def end_streams(self, end: RpcStatus) -> None:
        """End all streams of payments, after what is queued on them; the node keeps running."""
        self.subscriptions.end(end)

    # Replacements. Certificate, identity and database may be replaced only while the node is down.

    def renew_certificate(self) -> None:
        """Write a new certificate to the same file; the next start uses it."""
        self._certificate = credentials.certificate()
        credentials.replace_file(self.tls_cert, self._certificate.certificate)

    def revoke_macaroons(self) -> None:
        """Refuse all present macaroons from now on. Open streams stay open."""
        for macaroon in self.macaroons:
            self.revoked[macaroon] = len(self.revoked) + 1
        self.macaroons = {}

    def renew_macaroon(self, permissions: Iterable[str] = ALL_PERMISSIONS) -> None:
        """Revoke all macaroons, and write a new one to the same file."""
        self.revoke_macaroons()
        credentials.replace_file(self.macaroon, self.add_macaroon(permissions))

    def add_macaroon(self, permissions: Iterable[str]) -> bytes:
        """Return a further macaroon that is accepted until all are revoked; it is not written to a file."""
        allowed = frozenset(permissions)
        macaroon = credentials.macaroon(self._rng.randbytes(32), len(self.revoked) + 1, sorted(allowed))
        self.macaroons[macaroon] = allowed
        return macaroon

    def renew_database(self) -> None:
        """Start with an empty database; `truth` starts again, too."""
        self.database = Database(self.clock.now_ns, self._options)
        self.subscriptions = Subscriptions(self.database)

    def change_identity(self, world: World) -> None:
        """Become another node behind the same address, with an empty database."""
        self.world = world
        self.renew_database()

    # Answers.

    def info(self) -> pb.GetInfoResponse:
        """Return the answer to GetInfo."""
        active = sum(peer.active for peer in self.world.peers)
        return pb.GetInfoResponse(
            identity_pubkey=self.world.me.pubkey,
            alias=self.world.me.alias,
            num_active_channels=active,
            num_inactive_channels=len(self.world.peers) - active,
            block_height=self.world.height,
            synced_to_chain=True,
            synced_to_graph=True,
            best_header_timestamp=self.clock.now_ns() // NS_PER_S,
            version=self._version,
            chains=[pb.Chain(network=self.world.network)],
        )

    def channels(self) -> pb.ListChannelsResponse:
        """Return the answer to ListChannels, with the peers' aliases."""
        return list_channels(self.world, self.database, self.faults.ghosts)
