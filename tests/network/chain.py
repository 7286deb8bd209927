"""The block chain of the test network: one btcd on regtest that mines on demand."""

from pathlib import Path
from typing import Protocol

from tests.network.process import NotReady, Program, free_port, run, until

USER = "regtest"


class Backend(Protocol):
    """The source of blocks of an lnd."""

    def flags(self) -> list[str]:
        """Return the flags of lnd for this backend."""


class Neutrino:
    """lnd's built-in light client without peers, for a node without a network: no blocks, but lnd accepts calls."""

    def flags(self) -> list[str]:
        """Return the flags of lnd for this backend."""
        return ["--bitcoin.node=neutrino"]


class Chain:
    """A btcd. It mines to the addresses given at its start, in random order."""

    def __init__(self, binaries: Path, home: Path, mine_to: tuple[str, ...]) -> None:
        """Write the configuration; `start` runs btcd."""
        home.mkdir()
        self.address = f"127.0.0.1:{free_port()}"
        self.cert = home / "rpc.cert"
        self._home = home
        access = [f"--rpcuser={USER}", f"--rpcpass={USER}", f"--rpccert={self.cert}", "--regtest"]
        self._btcctl = [str(binaries / "btcctl"), *access, f"--rpcserver={self.address}"]
        listen = [f"--rpclisten={self.address}", f"--rpckey={home / 'rpc.key'}", "--nolisten"]
        folders = [f"--datadir={home / 'data'}", f"--logdir={home / 'logs'}", f"--configfile={home / 'btcd.conf'}"]
        (home / "btcd.conf").touch()  # without it btcd writes an example
        mining = [f"--miningaddr={address}" for address in mine_to]
        command = [str(binaries / "btcd"), *access, *listen, *folders, *mining, "--txindex", "--rpcmaxclients=100"]
        self._program = Program("btcd", command, home)

    def flags(self) -> list[str]:
        """Return the flags of lnd for this backend."""
        return [
            "--bitcoin.node=btcd",
            f"--btcd.rpchost={self.address}",
            f"--btcd.rpcuser={USER}",
            f"--btcd.rpcpass={USER}",
            f"--btcd.rpccert={self.cert}",
        ]

    async def start(self) -> None:
        """Start it; return when it answers calls."""
        await self._program.start()

        async def answers() -> bool:
            self._program.check()
            try:
                await run([*self._btcctl, "getblockcount"], self._home)
            except NotReady:
                return False
            return True

        await until("btcd answers", answers)

    async def mine(self, blocks: int) -> int:
        """Mine some blocks; return the height."""
        await run([*self._btcctl, "generate", str(blocks)], self._home)
        return int(await run([*self._btcctl, "getblockcount"], self._home))

    async def stop(self) -> None:
        """Stop it. Every lnd must have been stopped before: without its btcd an lnd hangs."""
        await self._program.stop()
