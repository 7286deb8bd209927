"""The block chain of the test network: one btcd on regtest that mines on demand."""

from pathlib import Path
from typing import Protocol

from tests.network.process import NotReady, Program, free_port, run, until

USER = "regtest"


class Backend(Protocol):
    """Where an lnd learns of blocks."""

    def flags(self) -> list[str]:
        """How an lnd finds it."""


class Neutrino:
    """For a node that is alone: lnd's own, without peers. It never learns of a block, but lnd accepts calls."""

    def flags(self) -> list[str]:
        """How an lnd finds it."""
        return ["--bitcoin.node=neutrino"]


class Chain:
    """btcd. It mines to the addresses that it is started with, in random order."""

    def __init__(self, binaries: Path, home: Path, mine_to: tuple[str, ...]) -> None:
        """Prepare; nothing runs yet."""
        home.mkdir()
        self.address = f"127.0.0.1:{free_port()}"
        self.cert = home / "rpc.cert"
        self._home = home
        access = [f"--rpcuser={USER}", f"--rpcpass={USER}", f"--rpccert={self.cert}", "--regtest"]
        self._ask = [str(binaries / "btcctl"), *access, f"--rpcserver={self.address}"]
        listen = [f"--rpclisten={self.address}", f"--rpckey={home / 'rpc.key'}", "--nolisten"]
        folders = [f"--datadir={home / 'data'}", f"--logdir={home / 'logs'}", f"--configfile={home / 'btcd.conf'}"]
        (home / "btcd.conf").touch()  # or else it writes an example
        mining = [f"--miningaddr={address}" for address in mine_to]
        command = [str(binaries / "btcd"), *access, *listen, *folders, *mining, "--txindex", "--rpcmaxclients=100"]
        self._program = Program("btcd", command, home)

    def flags(self) -> list[str]:
        """How an lnd finds it."""
        return [
            "--bitcoin.node=btcd",
            f"--btcd.rpchost={self.address}",
            f"--btcd.rpcuser={USER}",
            f"--btcd.rpcpass={USER}",
            f"--btcd.rpccert={self.cert}",
        ]

    async def start(self) -> None:
        """Start it; returns when it answers."""
        await self._program.start()

        async def answers() -> bool:
            self._program.check()
            try:
                await run([*self._ask, "getblockcount"], self._home)
            except NotReady:
                return False
            return True

        await until("btcd answers", answers)

    async def mine(self, blocks: int) -> int:
        """Mine so many blocks; returns the height."""
        await run([*self._ask, "generate", str(blocks)], self._home)
        return int(await run([*self._ask, "getblockcount"], self._home))

    async def stop(self) -> None:
        """Stop it; every lnd must be down before, for one whose btcd has gone hangs."""
        await self._program.stop()
