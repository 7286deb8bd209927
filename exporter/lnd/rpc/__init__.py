"""Generated from protos/lnd.proto; never edited."""
