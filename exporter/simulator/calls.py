"""The calls that the simulator counts, and fails on demand."""

from enum import StrEnum
from typing import TypeAlias

from exporter.payments.labels import Method


class Question(StrEnum):
    """A call that the command `why` makes, and two of them the exporter by sample. The value is lnd's path."""

    DECODE_PAY_REQ = "/lnrpc.Lightning/DecodePayReq"
    QUERY_ROUTES = "/lnrpc.Lightning/QueryRoutes"
    GET_NODE_INFO = "/lnrpc.Lightning/GetNodeInfo"


Call: TypeAlias = Method | Question
