"""Pictures of the dashboards for the README and the documentation, drawn over nodes in virtual time."""
