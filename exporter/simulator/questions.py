"""The lnd methods that only the command `why` calls: about invoices, routes and names of nodes."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import grpc

from exporter.lnd.rpc import why_pb2
from exporter.simulator.calls import Call, Question
from exporter.simulator.database import Database
from exporter.simulator.invoice import decode
from exporter.simulator.routing import find_route
from exporter.simulator.service import CallContext
from exporter.simulator.world import Node, World

_FINAL_DELTA = 18  # of an invoice that doesn't say


class AskedNode(Protocol):
    """What the answers are made of. `SimulatedNode` has it."""

    world: World
    database: Database


class Questions:
    """These methods of one node, over gRPC only: over REST nobody calls them."""

    def __init__(self, node: AskedNode, authorize: Callable[[Call, CallContext], Awaitable[None]]) -> None:
        """`authorize` aborts a call that the node refuses."""
        self._node = node
        self._authorize = authorize

    def handlers(self) -> Iterable[grpc.GenericRpcHandler]:
        """Return the handlers for `Server.add_generic_rpc_handlers`."""
        unary = grpc.unary_unary_rpc_method_handler
        yield grpc.method_handlers_generic_handler(
            "lnrpc.Lightning",
            {
                "DecodePayReq": unary(self.decode_pay_req),
                "QueryRoutes": unary(self.query_routes),
                "GetNodeInfo": unary(self.get_node_info),
            },
        )

    async def decode_pay_req(self, data: bytes, context: CallContext) -> bytes:
        """DecodePayReq."""
        await self._authorize(Question.DECODE_PAY_REQ, context)
        invoice = decode(why_pb2.PayReqString.FromString(data).pay_req)
        return why_pb2.PayReq(
            destination=next((node.pubkey for node in self._nodes() if invoice.is_signed_by(node.key)), ""),
            timestamp=invoice.created_s,
            expiry=invoice.expiry_s,
            cltv_expiry=_FINAL_DELTA,
            features={bit: why_pb2.Feature() for bit in invoice.features},
        ).SerializeToString()

    async def query_routes(self, data: bytes, context: CallContext) -> bytes:
        """QueryRoutes."""
        await self._authorize(Question.QUERY_ROUTES, context)
        request = why_pb2.QueryRoutesRequest.FromString(data)
        learned = self._node.database.mission_control if request.use_mission_control else None
        limit_msat = request.fee_limit.fixed_msat
        found = find_route(self._node.world, request.pub_key, request.amt_msat, learned, limit_msat)
        if isinstance(found, str):
            await context.abort(grpc.StatusCode.UNKNOWN, found)
        route, probability = found
        return why_pb2.QueryRoutesResponse(
            routes=[why_pb2.Route.FromString(route.SerializeToString())], success_prob=probability
        ).SerializeToString()

    async def get_node_info(self, data: bytes, context: CallContext) -> bytes:
        """GetNodeInfo."""
        await self._authorize(Question.GET_NODE_INFO, context)
        key = why_pb2.NodeInfoRequest.FromString(data).pub_key
        node = next((node for node in self._nodes() if node.pubkey == key), None)
        if node is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unable to find node")
        return why_pb2.NodeInfo(node=why_pb2.LightningNode(alias=node.alias)).SerializeToString()

    def _nodes(self) -> list[Node]:
        world = self._node.world
        return [world.me, *(peer.node for peer in world.peers), *world.far]
