"""The rules and the dashboards' queries in VictoriaMetrics, compared with Prometheus."""
