"""The lab on a real lnd network: lnd itself does everything."""

import base64
import hashlib
import secrets
import shutil
from pathlib import Path
from typing import Any

from exporter.payments.labels import Reason, Status
from tests.network.node import WITHOUT_STREAM, Json, b64, b64hex
from tests.network.regtest import Network
from tests.stories.lab import Invoice, Listed
from tests.stories.real_sending import RealSending

KEYSEND_RECORD = "5482373484"
FINAL_CLTV_DELTA = 80
"""The one in lnd's invoices, blocks."""
RING = ("alice", "bob", "carol")
NEWEST = "50"
"""Payments among which one is looked for first: to list all takes long when there are many."""


class RealLab:
    """See `Lab`."""

    def __init__(self, network: Network, name: str) -> None:
        """Prepare; `open` writes the files for the exporter."""
        self.name = name
        self.node = network.nodes[name]
        self.address = self.node.address
        self.rest = self.node.rest
        self.pubkey = self.node.pubkey
        self.pubkeys = {node.name: node.pubkey for node in network.nodes.values()}
        files = network.home / "exporter" / name
        files.mkdir(parents=True, exist_ok=True)
        self.tls_cert = files / "tls.cert"
        self.macaroon = files / "payments.macaroon"
        self.network = network
        self._root_key = 0
        self._channels: dict[str, str] = {}
        self._sendings: list[RealSending] = []

    async def open(self) -> None:
        """Write the files for the exporter."""
        await self.publish_certificate()
        await self.bake_macaroon()
        names = {pubkey: name for name, pubkey in self.pubkeys.items()}
        channels = (await self.node.get("/v1/channels"))["channels"]
        self._channels = {names[channel["remote_pubkey"]]: channel["chan_id"] for channel in channels}

    async def close(self) -> None:
        """End the callers' streams of all payments."""
        for sending in self._sendings:
            await sending.close()

    # Invoices.

    async def invoice(self, sat: int, *, at: str, hold: bool = False) -> Invoice:
        """See `Lab`. The preimage of a hold invoice is kept for `settle`; the recipient's lnd doesn't have it."""
        recipient = self.network.nodes[at]
        preimage = secrets.token_bytes(32)
        digest = hashlib.sha256(preimage)
        if hold:
            PREIMAGES[digest.hexdigest()] = preimage
            made = await recipient.post("/v2/invoices/hodl", hash=b64(digest.digest()), value=str(sat))
        else:
            made = await recipient.post("/v1/invoices", r_preimage=b64(preimage), value=str(sat))
        return Invoice(digest.hexdigest(), made["payment_request"], sat, at, hold)

    async def unknown_hash(self, sat: int, *, at: str) -> Invoice:
        """See `Lab`."""
        return Invoice(secrets.token_hex(32), "", sat, at)

    async def settle(self, invoice: Invoice) -> None:
        """See `Lab`."""
        await self.network.nodes[invoice.at].post("/v2/invoices/settle", preimage=b64(PREIMAGES[invoice.payment_hash]))

    async def cancel(self, invoice: Invoice) -> None:
        """See `Lab`."""
        await self.network.nodes[invoice.at].post("/v2/invoices/cancel", payment_hash=b64hex(invoice.payment_hash))

    # Payments.

    async def pay(
        self,
        invoice: Invoice,
        *,
        via: str | None = None,
        fee_limit_sat: int = 100,
        timeout_s: int = 60,
        max_parts: int = 1,
        max_shard_sat: int | None = None,
        cancelable: bool = False,
    ) -> RealSending:
        """See `Lab`."""
        body: Json = {"fee_limit_sat": str(fee_limit_sat), "timeout_seconds": timeout_s, "max_parts": max_parts}
        body["cancelable"] = cancelable
        if invoice.request:
            body["payment_request"] = invoice.request
        else:
            body |= {"payment_hash": b64hex(invoice.payment_hash), "final_cltv_delta": FINAL_CLTV_DELTA}
            body |= self._to(invoice.at, invoice.sat)
        if max_shard_sat is not None:
            body["max_shard_size_msat"] = str(max_shard_sat * 1000)
        if invoice.at == self.name:
            assert via is not None, "a rebalance needs a first hop"
            [back] = {*RING} & self._channels.keys() - {via}
            body |= {"allow_self_payment": True, "last_hop_pubkey": b64hex(self.pubkeys[back])}
        return await self._send(body, invoice.at, via)

    async def keysend(self, sat: int, *, to: str, via: str) -> RealSending:
        """See `Lab`."""
        preimage = secrets.token_bytes(32)
        body: Json = {"dest_custom_records": {KEYSEND_RECORD: b64(preimage)}, "max_parts": 1}
        body["payment_hash"] = b64(hashlib.sha256(preimage).digest())
        return await self._send(WITHOUT_INVOICE | body | self._to(to, sat), to, via)

    async def amp(self, sat: int, *, to: str, via: str) -> RealSending:
        """See `Lab`."""
        return await self._send(WITHOUT_INVOICE | {"amp": True, "max_parts": 1} | self._to(to, sat), to, via)

    async def probe(self, invoice: Invoice) -> None:
        """See `Lab`."""
        await self._forget()
        await self.node.post("/v2/router/route/estimatefee", payment_request=invoice.request, timeout=30)

    async def send_to_route(
        self,
        invoice: Invoice,
        *,
        via: str,
        through: tuple[str, ...] = (),
        offline: bool = False,
        garbled: bool = False,
    ) -> None:
        """See `Lab`."""
        address = b64(secrets.token_bytes(32))
        if invoice.request:
            address = (await self.node.get(f"/v1/payreq/{invoice.request}"))["payment_addr"]
        hops = [via] if via == invoice.at else [via, *through, invoice.at]
        route = await self.node.post(
            "/v2/router/route",
            amt_msat=str(invoice.sat * 1000),
            final_cltv_delta=FINAL_CLTV_DELTA,
            hop_pubkeys=[b64hex(self.pubkeys[hop]) for hop in hops],
            payment_addr=address,
        )
        if offline:
            await self.disconnect(via)
        if garbled:
            blinded = {"encrypted_data": b64(secrets.token_bytes(32)), "total_amt_msat": str(invoice.sat * 1000)}
            route["route"]["hops"][-1] |= blinded | {"mpp_record": None}
        await self.node.post("/v2/router/route/send", payment_hash=b64hex(invoice.payment_hash), route=route["route"])

    def _to(self, name: str, sat: int) -> Json:
        return {"dest": b64hex(self.pubkeys[name]), "amt": str(sat)}

    async def _send(self, body: Json, recipient: str, via: str | None) -> RealSending:
        if via is not None:
            body["outgoing_chan_ids"] = [self._channels[via]]
        await self._forget()
        sending = RealSending(self, body, self.network.nodes[recipient])
        self._sendings.append(sending)
        await sending.accepted()
        return sending

    async def _forget(self) -> None:
        """Reset mission control, so that payments of earlier stories don't influence the route."""
        await self.node.post("/v2/router/mc/reset")

    # The node's database.

    async def list_payments(self) -> list[Listed]:
        """See `Lab`."""
        page = await self.node.get("/v1/payments", include_incomplete="true", max_payments="100000")
        return [_listed(payment) for payment in page["payments"]]

    async def listed(self, payment_hash: str) -> Listed | None:
        """Return the payment with this hash, or None."""
        newest = await self.node.get("/v1/payments", include_incomplete="true", reversed="true", max_payments=NEWEST)
        payments = map(_listed, newest["payments"])
        found = next((one for one in payments if one.payment_hash == payment_hash), None)
        return found or next((one for one in await self.list_payments() if one.payment_hash == payment_hash), None)

    async def blocks_left(self, payment_hash: str) -> int:
        """See `Lab`."""
        page = await self.node.get("/v1/payments", include_incomplete="true", max_payments="100000")
        (payment,) = (one for one in page["payments"] if one["payment_hash"] == payment_hash)
        expiries = (htlc["route"]["total_time_lock"] for htlc in payment["htlcs"] if htlc["status"] == "IN_FLIGHT")
        return int(min(expiries) - (await self.node.get("/v1/getinfo"))["block_height"])

    async def delete_payment(self, payment_hash: str) -> None:
        """See `Lab`."""
        digest = base64.urlsafe_b64encode(bytes.fromhex(payment_hash)).decode()
        await self.node.delete("/v1/payment", payment_hash=digest)

    async def delete_payments(self) -> None:
        """See `Lab`."""
        await self.node.delete("/v1/payments", all_payments="true")

    # The node.

    async def stop(self) -> None:
        """See `Lab`."""
        await self.node.stop()

    async def kill(self) -> None:
        """See `Lab`."""
        await self.node.kill()

    async def start(self) -> None:
        """See `Lab`."""
        await self.node.start()
        await self.network.connected(self.name)

    async def lock(self) -> None:
        """See `Lab`."""
        await self.node.start(unlock=False)

    async def unlock(self) -> None:
        """See `Lab`."""
        await self.node.unlock()
        await self.network.connected(self.name)

    async def disconnect(self, *peers: str) -> None:
        """See `Lab`."""
        await self.network.disconnected(self.name, *peers)

    async def connect(self) -> None:
        """See `Lab`."""
        await self.network.connected(self.name)

    async def stop_other(self, name: str) -> None:
        """See `Lab`."""
        await self.network.nodes[name].stop()
        await self.network.missed(name)

    async def start_other(self, name: str) -> None:
        """See `Lab`."""
        await self.network.nodes[name].start()
        await self.network.connected(name)

    async def balances(self) -> dict[str, tuple[int, int]]:
        """See `Lab`."""
        names = {pubkey: name for name, pubkey in self.pubkeys.items()}
        return {
            names[channel["remote_pubkey"]]: (
                (int(channel["local_balance"]) - int(channel["local_constraints"]["chan_reserve_sat"])) * 1000,
                (int(channel["remote_balance"]) - int(channel["remote_constraints"]["chan_reserve_sat"])) * 1000,
            )
            for channel in (await self.node.get("/v1/channels"))["channels"]
        }

    async def refill(self) -> None:
        """See `Lab`."""
        await self._paid_back(*(name for name in self.pubkeys if name != "dave"))
        await RealLab(self.network, "carol")._paid_back("dave")

    async def _paid_back(self, *peers: str) -> None:
        """Let these peers pay what is missing at this end of their channels."""
        names = {pubkey: name for name, pubkey in self.pubkeys.items()}
        for channel in (await self.node.get("/v1/channels"))["channels"]:
            if names[channel["remote_pubkey"]] not in peers:
                continue
            missing = int(channel["capacity"]) // 2 - int(channel["local_balance"])
            if missing > 0:
                peer = RealLab(self.network, names[channel["remote_pubkey"]])
                await peer.open()
                paid = await peer.pay(await self.invoice(missing, at=self.name), via=self.name)
                assert (await paid.ended()).status is Status.SUCCEEDED
                await peer.close()

    async def revoke_macaroon(self) -> None:
        """See `Lab`. The root key of the macaroon is deleted."""
        await self.node.revoke_macaroon(self._root_key)

    async def bake_macaroon(self) -> None:
        """See `Lab`. Each macaroon has its own root key, so that it can be revoked."""
        self._root_key += 1
        await self.node.bake_macaroon(self.macaroon, self._root_key)

    async def bake_smaller_macaroon(self, target: Path) -> None:
        """See `Lab`."""
        await self.node.bake_macaroon(target, self._root_key, WITHOUT_STREAM)

    async def readonly_macaroon(self) -> Path:
        """See `Lab`."""
        return self.node.admin_macaroon.with_name("readonly.macaroon")

    async def renew_certificate(self) -> None:
        """See `Lab`."""
        assert not self.node.running, "lnd creates a certificate only when it starts"
        self.node.tls_cert.unlink()
        self.node.tls_cert.with_suffix(".key").unlink()

    async def publish_certificate(self) -> None:
        """See `Lab`."""
        copy = self.tls_cert.with_suffix(".new")
        shutil.copyfile(self.node.tls_cert, copy)
        copy.replace(self.tls_cert)


PREIMAGES: dict[str, bytes] = {}
"""Preimages of hold invoices by payment hash, which `settle` reveals. As many as the stories make."""

WITHOUT_INVOICE: Json = {"fee_limit_sat": "100", "timeout_seconds": 60}


def _listed(payment: Any) -> Listed:
    return Listed(
        payment["payment_hash"],
        Status(payment["status"].lower()),
        Reason(payment["failure_reason"].removeprefix("FAILURE_REASON_").lower()),
        int(payment["value_msat"]),
        int(payment["fee_msat"]),
    )
