"""All dashboards, in the order of their links."""

from dashboards.failures import failures
from dashboards.fleet import fleet
from dashboards.flight import flight
from dashboards.node import node
from dashboards.overview import overview

BOARDS = (overview, failures, flight, node, fleet)
