"""What the program brings along for other programs: rules, dashboards, manifests, shell completion, a manual page."""
