"""The layout of a dashboard: panels from left to right, in a new line if there is no room."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panel import Panel

COLUMNS = 24


@dataclass
class Grid:
    """Places panels from left to right, because the SDK's own layout overflows the columns."""

    placed: list[Panel | dashboard.Row] = field(default_factory=list)
    _x: int = 0
    _y: int = 0
    _height: int = 0

    def row(self, title: str) -> None:
        """Begin a row with a heading."""
        self._break()
        row = dashboard.Row(title).id(len(self.placed) + 1).grid_pos(model.GridPos(h=1, w=COLUMNS, x=0, y=self._y))
        self.placed.append(row)
        self._y += 1

    def folded(self, title: str, panels: Sequence[tuple[Panel, int, int]]) -> None:
        """Add a row with a heading that hides its panels, each with width and height, until it is unfolded.

        Grafana doesn't ask the queries of hidden panels.
        """
        self.row(title)
        inside = Grid(_y=self._y)
        row = self.placed[-1]
        assert isinstance(row, dashboard.Row)
        row.collapsed(collapsed=True)
        for place, (panel, width, height) in enumerate(panels, len(self.placed) + 1):
            inside.add(panel, width, height)
            row.with_panel(panel.id(place))

    def add(self, panel: Panel, width: int, height: int = 8) -> None:
        """Place a panel beside the last one, or in a new line if there is no room."""
        if self._x + width > COLUMNS:
            self._break()
        panel.id(len(self.placed) + 1).grid_pos(model.GridPos(h=height, w=width, x=self._x, y=self._y))
        self.placed.append(panel)
        self._x += width
        self._height = max(self._height, height)

    def _break(self) -> None:
        self._y += self._height
        self._x = self._height = 0
