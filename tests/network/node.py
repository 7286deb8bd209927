"""One lnd of the test network: its process, its wallet, and its REST interface, which the tests use."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from json import loads
from pathlib import Path
from typing import Any

import aiohttp

from tests.network.chain import Backend
from tests.network.process import Program, free_port, run, until

PASSWORD = "a password for tests"
OUR_CALLS = (
    "uri:/routerrpc.Router/TrackPayments",
    "uri:/routerrpc.Router/TrackPaymentV2",
    "uri:/lnrpc.Lightning/ListPayments",
    "uri:/lnrpc.Lightning/GetInfo",
)
LIST_CHANNELS = "uri:/lnrpc.Lightning/ListChannels"
"""Optional for the exporter: without it peers have no aliases."""
WITHOUT_STREAM = OUR_CALLS[1:]
"""All calls of the exporter but TrackPayments."""
STATES = ("WAITING_TO_START", "NON_EXISTING", "LOCKED", "UNLOCKED", "RPC_ACTIVE", "SERVER_ACTIVE")
"""The states of `lnrpc.State`, in the order in which lnd passes through them when it starts."""
FLAGS = (
    "--bitcoin.regtest",
    "--nobootstrap",
    "--bitcoin.defaultchanconfs=1",
    "--trickledelay=50",
    "--gossip.sub-batch-delay=5ms",
    "--minbackoff=1s",
    "--accept-keysend",
    "--accept-amp",
    "--ws-ping-interval=2s",  # instead of 30 s, so that a test can wait for it
    "--logging.file.disable",
)

Json = dict[str, Any]
Lines = AsyncGenerator[Json, None]


class Refused(Exception):
    """lnd answered with an error."""


def b64(raw: bytes) -> str:
    """Encode bytes for the body of a request to lnd's REST."""
    return base64.b64encode(raw).decode()


def b64hex(digits: str) -> str:
    """Encode bytes, given in hex, for the body of a request to lnd's REST."""
    return b64(bytes.fromhex(digits))


class Node:
    """An lnd with a wallet password. Its wallet is derived from its name: keys and addresses are always the same."""

    def __init__(
        self, name: str, binaries: Path, home: Path, chain: Backend, base_fee_msat: int, *, host: str = "127.0.0.1"
    ) -> None:
        """Prepare; `create` or `start` runs lnd. Its peers connect to `host`."""
        home.mkdir()
        self.name = name
        self.home = home
        self.address = f"127.0.0.1:{free_port()}"
        self.rest = f"127.0.0.1:{free_port()}"
        self.p2p = f"{host}:{free_port()}"
        self.tls_cert = home / "tls.cert"
        self.admin_macaroon = home / "data/chain/bitcoin/regtest/admin.macaroon"
        self.pubkey = ""
        self.flags: list[str] = []
        """Further flags for each start."""
        self._lncli = str(binaries / "lncli")
        (home / "password").write_text(PASSWORD)
        self._unlock = f"--wallet-unlock-password-file={home / 'password'}"
        listen = [f"--rpclisten={self.address}", f"--restlisten={self.rest}", f"--listen={self.p2p}"]
        own = [f"--lnddir={home}", f"--alias={name}", f"--bitcoin.basefee={base_fee_msat}"]
        self._program = Program("lnd", [str(binaries / "lnd"), *FLAGS, *chain.flags(), *listen, *own], home)
        self._session: aiohttp.ClientSession | None = None

    # The process.

    @property
    def running(self) -> bool:
        """True while the process runs."""
        return self._program.running

    async def start(self, *, unlock: bool = True) -> None:
        """Start it; return when it accepts all calls, or without `unlock` when its state is LOCKED."""
        await self._program.start(*([self._unlock] if unlock else []), *self.flags)
        if unlock:
            await self.ready()
        else:
            await self.reaches("LOCKED")

    async def create(self) -> None:
        """Start it for the first time, and create its wallet. It gets beyond RPC_ACTIVE after the next block."""
        await self._program.start(self._unlock, "--wallet-unlock-allow-create", *self.flags)
        await self.reaches("NON_EXISTING")
        entropy = base64.urlsafe_b64encode(sha256(self.name.encode()).digest()[:16]).decode()
        seed = await self.get("/v1/genseed", seed_entropy=entropy)
        secret = b64(PASSWORD.encode())
        await self.post("/v1/initwallet", wallet_password=secret, cipher_seed_mnemonic=seed["cipher_seed_mnemonic"])
        await self.reaches("RPC_ACTIVE")
        self.pubkey = (await self.get("/v1/getinfo"))["identity_pubkey"]

    async def unlock(self, until: str = "SERVER_ACTIVE") -> None:
        """Unlock the wallet; return when the state `until` is reached, by default when it accepts all calls."""
        await self.post("/v1/unlockwallet", wallet_password=b64(PASSWORD.encode()))
        await self.reaches(until)

    async def ready(self) -> None:
        """Wait until it accepts all calls."""
        await self.reaches("SERVER_ACTIVE")

    async def reaches(self, state: str) -> None:
        """Wait until it has reached a state of `STATES` or a later one."""

        async def reached() -> bool:
            self._program.check()
            try:
                current: str = (await self.get("/v1/state"))["state"]
            except (aiohttp.ClientError, Refused):
                return False
            return STATES.index(current) >= STATES.index(state)  # it may have passed between two polls

        await until(f"{self.name} is {state}", reached)

    async def stop(self) -> None:
        """Shut it down in order."""
        await self._program.stop()

    def signal(self, number: int) -> None:
        """Send its process a signal."""
        self._program.signal(number)

    async def kill(self) -> None:
        """Kill it with -9."""
        await self._program.kill()

    async def close(self) -> None:
        """Close the HTTP session, after the node was stopped for good: aiohttp doesn't end open streams."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # REST.

    async def get(self, path: str, **query: str) -> Json:
        """Send a GET request; return the JSON of the answer. Raises `Refused`."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, **body: Any) -> Json:
        """Send a POST request; return the JSON of the answer. Raises `Refused`."""
        return await self._call("POST", path, json=body)

    async def delete(self, path: str, **query: str) -> Json:
        """Send a DELETE request; return the JSON of the answer. Raises `Refused`."""
        return await self._call("DELETE", path, params=query)

    @asynccontextmanager
    async def stream(self, method: str, path: str, body: Json | None = None) -> AsyncIterator[Lines]:
        """Open a stream; leaving the block closes it."""
        call = self._request(method, path, json=body, timeout=aiohttp.ClientTimeout(total=None))
        async with call as response, aclosing(_lines(response)) as lines:
            yield lines

    async def _call(self, method: str, path: str, **options: Any) -> Json:
        async with self._request(method, path, **options) as response:
            answer: Json = await response.json(content_type=None)
            if response.status != 200:
                raise Refused(str(answer.get("message", answer)))
            return answer

    def _request(self, method: str, path: str, **options: Any) -> Any:
        if self._session is None:
            # Stories replace lnd's certificate, so the tests don't verify it; the exporter does.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=False))
        headers = {}
        if self.admin_macaroon.exists():
            headers["Grpc-Metadata-Macaroon"] = self.admin_macaroon.read_bytes().hex()
        return self._session.request(method, f"https://{self.rest}{path}", headers=headers, **options)

    # Macaroons, by lncli.

    def lncli(self) -> list[str]:
        """Return the beginning of an lncli command line for this node.

        It has a host name: with `tlsencryptkey` lnd keeps using its temporary certificate for clients that connect by
        IP address.
        """
        server = f"localhost:{self.address.rpartition(':')[2]}"
        return [self._lncli, f"--lnddir={self.home}", "--network=regtest", f"--rpcserver={server}"]

    async def bake_macaroon(
        self, target: Path, root_key_id: int, calls: Sequence[str] = OUR_CALLS, conditions: Sequence[str] = ()
    ) -> None:
        """Write a macaroon that allows `calls`, atomically: a reader of the file sees the old or the new one.

        `conditions` are further flags of `lncli bakemacaroon`.
        """
        new = target.with_suffix(".new")
        new.unlink(missing_ok=True)
        key = ["--root_key_id", str(root_key_id), *conditions]
        await run([*self.lncli(), "bakemacaroon", "--save_to", str(new), *key, *calls], self.home)
        new.replace(target)

    async def revoke_macaroon(self, root_key_id: int) -> None:
        """Delete a root key, so that lnd refuses all its macaroons."""
        await self.delete(f"/v1/macaroon/{root_key_id}")


async def _lines(response: aiohttp.ClientResponse) -> Lines:
    """Yield the `result` of each line. Raises `Refused` for an `error`."""
    async for line in response.content:
        message = loads(line)
        if "error" in message:
            raise Refused(str(message["error"].get("message", message["error"])))
        yield message["result"]
