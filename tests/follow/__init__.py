"""Following a node, whatever happens to it: over real gRPC, against the stand-in lnd."""
