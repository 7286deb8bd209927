"""The command `report`: adds up the payments that lnd has ever made, without Prometheus and without a state file."""
