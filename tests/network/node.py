"""One lnd of the test network: its process, its wallet, and its REST interface, by which the tests drive it."""

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
"""Optional: without it peers have no aliases."""
WITHOUT_STREAM = OUR_CALLS[1:]
"""All but TrackPayments."""
STATES = ("WAITING_TO_START", "NON_EXISTING", "LOCKED", "UNLOCKED", "RPC_ACTIVE", "SERVER_ACTIVE")
"""Of `lnrpc.State`, in the order in which a starting lnd goes through them."""
FLAGS = (
    "--bitcoin.regtest",
    "--nobootstrap",
    "--bitcoin.defaultchanconfs=1",
    "--trickledelay=50",
    "--gossip.sub-batch-delay=5ms",
    "--minbackoff=1s",
    "--accept-keysend",
    "--accept-amp",
    "--ws-ping-interval=2s",  # instead of 30 s, so that a test may wait for it
    "--logging.file.disable",
)

Json = dict[str, Any]
Lines = AsyncGenerator[Json, None]


class Refused(Exception):
    """lnd answered with an error."""


def b64(raw: bytes) -> str:
    """Bytes as lnd's REST wants them in a body."""
    return base64.b64encode(raw).decode()


def b64hex(digits: str) -> str:
    """The same for bytes that are at hand as hex."""
    return b64(bytes.fromhex(digits))


class Node:
    """An lnd with a wallet password. Its wallet comes from its name, so that keys and addresses are always the same."""

    def __init__(self, name: str, binaries: Path, home: Path, chain: Backend, base_fee_msat: int) -> None:
        """Prepare; nothing runs yet."""
        home.mkdir()
        self.name = name
        self.home = home
        self.address = f"127.0.0.1:{free_port()}"
        self.rest = f"127.0.0.1:{free_port()}"
        self.p2p = f"127.0.0.1:{free_port()}"
        self.tls_cert = home / "tls.cert"
        self.admin_macaroon = home / "data/chain/bitcoin/regtest/admin.macaroon"
        self.pubkey = ""
        self.flags: list[str] = []
        """Given at each start, after all others."""
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
        """True while its process lives."""
        return self._program.running

    async def start(self, *, unlock: bool = True) -> None:
        """Start it; returns when calls are accepted, or without `unlock` when it says LOCKED."""
        await self._program.start(*([self._unlock] if unlock else []), *self.flags)
        if unlock:
            await self.ready()
        else:
            await self.reaches("LOCKED")

    async def create(self) -> None:
        """Start it for the first time and make its wallet; it gets no further before a recent block is mined."""
        await self._program.start(self._unlock, "--wallet-unlock-allow-create", *self.flags)
        await self.reaches("NON_EXISTING")
        entropy = base64.urlsafe_b64encode(sha256(self.name.encode()).digest()[:16]).decode()
        seed = await self.get("/v1/genseed", seed_entropy=entropy)
        secret = b64(PASSWORD.encode())
        await self.post("/v1/initwallet", wallet_password=secret, cipher_seed_mnemonic=seed["cipher_seed_mnemonic"])
        await self.reaches("RPC_ACTIVE")
        self.pubkey = (await self.get("/v1/getinfo"))["identity_pubkey"]

    async def unlock(self, until: str = "SERVER_ACTIVE") -> None:
        """Give it its wallet password; returns when it has come so far, by default when it accepts all calls."""
        await self.post("/v1/unlockwallet", wallet_password=b64(PASSWORD.encode()))
        await self.reaches(until)

    async def ready(self) -> None:
        """Wait until it accepts all calls."""
        await self.reaches("SERVER_ACTIVE")

    async def reaches(self, state: str) -> None:
        """Wait until it has come as far as a state of `lnrpc.State`."""

        async def there() -> bool:
            self._program.check()
            try:
                said: str = (await self.get("/v1/state"))["state"]
            except (aiohttp.ClientError, Refused):
                return False
            return STATES.index(said) >= STATES.index(state)  # it may have passed since we last looked

        await until(f"{self.name} is {state}", there)

    async def stop(self) -> None:
        """Shut it down in order."""
        await self._program.stop()

    async def kill(self) -> None:
        """Kill -9."""
        await self._program.kill()

    async def close(self) -> None:
        """Let go of it for good, when it is down: aiohttp tells open streams nothing of it."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # REST.

    async def get(self, path: str, **query: str) -> Json:
        """GET; the answer as JSON."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, **body: Any) -> Json:
        """POST; the answer as JSON."""
        return await self._call("POST", path, json=body)

    async def delete(self, path: str, **query: str) -> Json:
        """DELETE; the answer as JSON."""
        return await self._call("DELETE", path, params=query)

    @asynccontextmanager
    async def stream(self, method: str, path: str, body: Json | None = None) -> AsyncIterator[Lines]:
        """A call with many answers. Leaving the block hangs up."""
        call = self._request(method, path, json=body, timeout=aiohttp.ClientTimeout(total=None))
        async with call as response, aclosing(_lines(response)) as lines:
            yield lines

    async def _call(self, method: str, path: str, **what: Any) -> Json:
        async with self._request(method, path, **what) as response:
            said: Json = await response.json(content_type=None)
            if response.status != 200:
                raise Refused(str(said.get("message", said)))
            return said

    def _request(self, method: str, path: str, **what: Any) -> Any:
        if self._session is None:
            # lnd makes a new certificate whenever a story wants it: the tests don't look at it, the exporter does.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=False))
        headers = {}
        if self.admin_macaroon.exists():
            headers["Grpc-Metadata-Macaroon"] = self.admin_macaroon.read_bytes().hex()
        return self._session.request(method, f"https://{self.rest}{path}", headers=headers, **what)

    # Macaroons, as a person would make them.

    def lncli(self) -> list[str]:
        """The start of an lncli command line for this node.

        By a name: a node with `tlsencryptkey` keeps showing its temporary certificate to whoever goes by an IP address.
        """
        server = f"localhost:{self.address.rpartition(':')[2]}"
        return [self._lncli, f"--lnddir={self.home}", "--network=regtest", f"--rpcserver={server}"]

    async def bake_macaroon(
        self, target: Path, root_key_id: int, calls: Sequence[str] = OUR_CALLS, conditions: Sequence[str] = ()
    ) -> None:
        """Write a macaroon with the smallest rights, at once: who reads the file sees the old one or the new one.

        `conditions` are flags of `lncli bakemacaroon`.
        """
        fresh = target.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        key = ["--root_key_id", str(root_key_id), *conditions]
        await run([*self.lncli(), "bakemacaroon", "--save_to", str(fresh), *key, *calls], self.home)
        fresh.replace(target)

    async def revoke_macaroon(self, root_key_id: int) -> None:
        """Make all macaroons of a root key worthless."""
        await self.delete(f"/v1/macaroon/{root_key_id}")


async def _lines(response: aiohttp.ClientResponse) -> Lines:
    """The `result` of each line; `Refused` for an `error`."""
    async for line in response.content:
        said = loads(line)
        if "error" in said:
            raise Refused(str(said["error"].get("message", said["error"])))
        yield said["result"]
