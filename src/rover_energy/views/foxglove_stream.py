"""Samples of a bag or of a live rover to Foxglove: over its WebSocket, or into an MCAP file that carries the scene as well."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.recording import Sample, Stream, stamp_of
from rover_energy.terrain.raster import Terrain
from rover_energy.views import scene
from rover_energy.views.extras import need
from rover_energy.views.foxglove_layout import ADDED, POWER_FIELDS, POWER_VIEW, ROUTE, SCENE, TRANSFORMS
from rover_energy.views.signals import absolute, total_power

PURPOSE = "Foxglove"
MOST_ROUTE = 4000  # points of the drawn way
ROUTE_STEP, ROUTE_EVERY = 0.10, 1.0  # [m] of way between its points; [s] between two of its messages
LIFT = 0.05  # [m] above the ground
SCENE_EVERY = 5.0  # [s] after which the scene is sent again, for clients that have come since
SCHEMA = {
    "type": "object", "title": ADDED[POWER_VIEW],
    "properties": {name: {"type": "number", "description": text} for name, text in POWER_FIELDS.items()},
}  # fmt: skip


class FoxgloveStream:
    """Channels for the topics of a rover, and those of `foxglove_layout.ADDED` beside them.

    streams : the topics. decode : makes a message of a sample, None of one that cannot be read. namespace : of the rover.
    terrain : ground to draw, or None. rover : its shape. Raises MissingExtraError.
    """

    def __init__(
        self, streams: Iterable[Stream], decode: Callable[[Sample], Any], *, namespace: str, terrain: Terrain | None,
        rover: RoverParameters,
    ) -> None:  # fmt: skip
        fg = need("foxglove", PURPOSE)
        self.m, self.decode, self.namespace = need("foxglove.messages", PURPOSE), decode, namespace
        self.drawn = {absolute("power_state", namespace): self._power, absolute("odom", namespace): self._pose}
        self.context = fg.Context()
        self.channels: dict[str, Any] = {}
        for stream in streams:
            schema = fg.Schema(name=stream.kind, encoding="ros2msg", data=stream.definition.encode())
            channel = fg.Channel(stream.topic, schema=schema, message_encoding="cdr", context=self.context)
            self.channels[stream.topic] = channel
        made = need("foxglove.channels", PURPOSE)
        self.scene = made.SceneUpdateChannel(SCENE, context=self.context)
        self.route = made.SceneUpdateChannel(ROUTE, context=self.context)
        self.transforms = made.FrameTransformChannel(TRANSFORMS, context=self.context)
        self.power = fg.Channel(POWER_VIEW, schema=SCHEMA, context=self.context)
        self.still = self._still(terrain, rover)
        self.scene_due = self.route_due = -math.inf
        self.way: list[tuple[float, float, float, float]] = []
        self.now_power = math.nan

    def serve(self, host: str, port: int) -> Any:
        """Start the WebSocket server; it has `port`, `app_url()` and `stop()`. Raises InputError when the port is taken."""
        fg = need("foxglove", PURPOSE)
        capability = need("foxglove.websocket", PURPOSE).Capability.Time
        try:
            return fg.start_server(name="rover_energy", host=host, port=port, capabilities=[capability], context=self.context)
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError("command line", "--port", f"cannot be served ({reason})", "choose another", port) from None

    def file(self, path: Path) -> Any:
        """Begin an MCAP file; call `close()` on what is returned. Raises InputError."""
        try:
            return need("foxglove", PURPOSE).open_mcap(str(path), allow_overwrite=True, context=self.context)
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(str(path), "--out", f"cannot be written ({reason})", "choose another place") from None

    def send(self, sample: Sample) -> None:
        """One message, as it is, and what is drawn from it."""
        if sample.topic in self.channels:
            self.channels[sample.topic].log(sample.data, log_time=sample.time)
        seconds = 1e-9 * sample.time
        if seconds >= self.scene_due or seconds < self.scene_due - SCENE_EVERY:  # also when a loop begins anew
            if seconds < self.scene_due - SCENE_EVERY:
                self.way, self.route_due = [], -math.inf
            self.scene_due = seconds + SCENE_EVERY
            self.scene.log(self.still, log_time=sample.time)
        draw = self.drawn.get(sample.topic)
        message = None if draw is None else self.decode(sample)
        if draw is not None and message is not None:  # None: its bytes do not fit its type
            draw(message, sample.time)

    def _power(self, message: Any, time: int) -> None:
        total, available = total_power(message), float(message.available_power)
        self.now_power = total
        values = {
            "total": total, "available": available, "margin": available - total,
            "state_of_charge": 100.0 * float(message.state_of_charge),
            "above_floor": float(message.battery_energy - message.battery_floor),
        }  # fmt: skip
        known = {name: value for name, value in values.items() if math.isfinite(value)}  # JSON has no NaN: absent is not known
        self.power.log(json.dumps(known).encode(), log_time=time)

    def _pose(self, message: Any, time: int) -> None:
        p, q = message.pose.pose.position, message.pose.pose.orientation
        transform = self.m.FrameTransform(
            timestamp=self._stamp(stamp_of(message, time)), parent_frame_id="map", child_frame_id="base_link",
            translation=self.m.Vector3(x=p.x, y=p.y, z=p.z), rotation=self.m.Quaternion(x=q.x, y=q.y, z=q.z, w=q.w),
        )  # fmt: skip
        self.transforms.log(transform, log_time=time)
        if not self.way or math.dist(self.way[-1][:3], (p.x, p.y, p.z)) >= ROUTE_STEP:
            self.way.append((float(p.x), float(p.y), float(p.z), self.now_power))
            if len(self.way) > MOST_ROUTE:
                self.way = self.way[::2]
        if 1e-9 * time >= self.route_due and len(self.way) > 1:
            self.route_due = 1e-9 * time + ROUTE_EVERY
            self.route.log(self._drawn_way(), log_time=time)

    def _drawn_way(self) -> Any:
        table = np.array(self.way)
        power = table[:, 3]
        low, high = (float(np.nanmin(power)), float(np.nanmax(power))) if np.isfinite(power).any() else (0.0, 1.0)
        line = self.m.LinePrimitive(
            type=self.m.LinePrimitiveLineType.LineStrip, thickness=4.0, scale_invariant=True,
            points=[self.m.Point3(x=x, y=y, z=z + LIFT) for x, y, z, _ in self.way],
            colors=[self._colour(c) for c in scene.colours(power, low, high)],
        )  # fmt: skip
        return self.m.SceneUpdate(entities=[self.m.SceneEntity(id="route", frame_id="map", lines=[line])])

    def _still(self, terrain: Terrain | None, rover: RoverParameters) -> Any:
        """Ground in the map frame, rover in its own."""
        entities = []
        if terrain is not None:
            mesh = scene.ground(terrain)
            triangles = self.m.TriangleListPrimitive(
                points=[self.m.Point3(x=x, y=y, z=z) for x, y, z in mesh.vertices.tolist()],
                colors=[self._colour(c) for c in mesh.colours], indices=mesh.triangles.ravel().tolist(),
            )  # fmt: skip
            entities.append(self.m.SceneEntity(id="ground", frame_id="map", triangles=[triangles]))
        cubes = [
            self.m.CubePrimitive(
                pose=self.m.Pose(position=self.m.Vector3(x=b.centre[0], y=b.centre[1], z=b.centre[2])),
                size=self.m.Vector3(x=2 * b.half[0], y=2 * b.half[1], z=2 * b.half[2]), color=self._colour(np.array(b.colour)),
            ) for b in scene.rover(rover)
        ]  # fmt: skip
        entities.append(self.m.SceneEntity(id="rover", frame_id="base_link", frame_locked=True, cubes=cubes))
        return self.m.SceneUpdate(entities=entities)

    def _colour(self, rgb: Any) -> Any:
        r, g, b = (int(v) / 255.0 for v in rgb)
        return self.m.Color(r=r, g=g, b=b, a=1.0)

    def _stamp(self, nanoseconds: int) -> Any:
        return self.m.Timestamp(sec=nanoseconds // 10**9, nsec=nanoseconds % 10**9)
