"""Generated from protos/remote.proto; never edited."""
