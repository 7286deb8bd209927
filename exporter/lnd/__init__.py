"""Clients for lnd: the only package that uses gRPC, protobuf messages, lnd's REST API and macaroons."""
