"""The command `open`: the payments in flight according to the state file, without asking lnd or a running exporter."""
