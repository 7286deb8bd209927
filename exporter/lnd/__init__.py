"""Clients for lnd over gRPC and REST: except for the simulator, no other package uses these protocols or macaroons."""
