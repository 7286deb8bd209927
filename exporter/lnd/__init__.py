"""The hearing: the only room that knows grpc, protobuf, REST and macaroons."""
