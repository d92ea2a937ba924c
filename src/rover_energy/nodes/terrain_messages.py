"""Layers as messages: OccupancyGrid for everyone, GridMap where its package is installed."""

from __future__ import annotations

import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import MissingExtraError
from rover_energy.nodes import ros
from rover_energy.planning.layers import Grid


def percent(share: Any) -> NDArray[np.int8]:
    """Whole hundredths of a share, 0 to 100 and 100 for all above; -1 where it is NaN."""
    values = np.asarray(share, dtype=float)
    return np.where(np.isnan(values), -1, np.rint(100.0 * np.clip(np.nan_to_num(values), 0.0, 1.0))).astype(np.int8)


def occupancy(cells: NDArray[np.int8], grid: Grid, now: float) -> Any:
    """nav_msgs/OccupancyGrid of (rows, columns), rows from south to north; its origin is the corner of the first cell."""
    message = ros.message_class("nav_msgs/msg/OccupancyGrid")()
    message.header.frame_id, message.header.stamp = "map", ros.stamp_of(now)
    info = message.info
    info.map_load_time, info.resolution, info.width, info.height = message.header.stamp, grid.cell, grid.columns, grid.rows
    info.origin.position.x, info.origin.position.y = grid.x0 - 0.5 * grid.cell, grid.y0 - 0.5 * grid.cell
    info.origin.orientation.w = 1.0
    message.data = array.array("b", np.ascontiguousarray(cells, dtype=np.int8).tobytes())
    return message


class GridMaps:
    """grid_map_msgs/GridMap, whose rows run from the greatest x down and whose columns from the greatest y down."""

    def message(self) -> Any:
        """The message class, or None where grid_map_msgs is not installed."""
        try:
            return ros.message_class("grid_map_msgs/msg/GridMap")
        except MissingExtraError:
            return None

    def build(self, layers: Mapping[str, Any], grid: Grid, now: float) -> Any:
        """A GridMap of layers (rows, columns) in SI units; NaN is no data."""
        message = self.message()()
        message.header.frame_id, message.header.stamp = "map", ros.stamp_of(now)
        info = message.info
        info.resolution, info.length_x, info.length_y = grid.cell, grid.cell * grid.columns, grid.cell * grid.rows
        info.pose.position.x = grid.x0 + 0.5 * grid.cell * (grid.columns - 1)
        info.pose.position.y = grid.y0 + 0.5 * grid.cell * (grid.rows - 1)
        info.pose.orientation.w = 1.0
        message.layers = list(layers)
        message.basic_layers = []
        message.data = [self._matrix(values) for values in layers.values()]
        return message

    def _matrix(self, values: Any) -> Any:
        """Float32MultiArray, column-major as Eigen stores it: the outer dimension is the column (y), the inner the row (x)."""
        kinds = ros.need("std_msgs.msg")
        # message index (i over x down, j over y down) is values[y, x] with both axes turned round
        table = np.asarray(values, dtype=np.float32)[::-1, ::-1]  # [j, i]
        rows, columns = table.shape[1], table.shape[0]
        layout = kinds.MultiArrayLayout(
            dim=[
                kinds.MultiArrayDimension(label="column_index", size=columns, stride=rows * columns),
                kinds.MultiArrayDimension(label="row_index", size=rows, stride=rows),
            ]
        )
        return kinds.Float32MultiArray(layout=layout, data=array.array("f", np.ascontiguousarray(table).tobytes()))


grid_map = GridMaps()
