"""The hearing: the only room that knows grpc, protobuf and macaroons."""
