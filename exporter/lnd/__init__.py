"""Clients for lnd over gRPC and REST; besides them only the simulator uses lnd's protocols and messages."""
