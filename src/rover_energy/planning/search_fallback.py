"""The search of search.c in Python, for machines without a compiler: the same states, motions and costs, but slow."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from rover_energy.planning.costmap import OFFSETS, Blocked, CostMap
from rover_energy.planning.dubins import dubins_words
from rover_energy.planning.native_map import AnswerStructure, RequestStructure
from rover_energy.planning.search import BUDGET, FOUND, NONE_EXISTS, NOT_CONNECTED, Allowance

FloatArray = NDArray[np.float64]
_DETOUR, _SAMPLE_TURN, _TURN_TAKING, _PATIENCE, _HASTE = 0.7, 0.25, 250, 300, 0.25  # see search.c
_GO_ON = -1


def cost_field(costmap: CostMap, root: tuple[float, float, float], sense: int) -> FloatArray:
    """(ny, nx) cost from every node to the root pose (sense 1) or from it (-1); infinite where not connected."""
    ny, nx = costmap.clearance.shape
    tail, direction = np.nonzero(np.isfinite(costmap.edge_cost.reshape(ny * nx, -1)))
    head = tail + OFFSETS[direction, 0] + nx * OFFSETS[direction, 1]
    cost = costmap.edge_cost.reshape(ny * nx, -1)[tail, direction].astype(np.float64)
    if sense > 0:
        tail, head = head, tail  # distances from the root over reversed edges
    column, row = (root[0] - costmap.x0) / costmap.resolution, (root[1] - costmap.y0) / costmap.resolution
    j, i = np.meshgrid(np.arange(int(row) - 1, int(row) + 3), np.arange(int(column) - 1, int(column) + 3), indexing="ij")
    keep = (i >= 0) & (j >= 0) & (i < nx) & (j < ny)
    i, j = i[keep], j[keep]
    seed = costmap.clearance[j, i] >= 0.0
    i, j = i[seed], j[seed]
    reach = costmap.least_cost * costmap.resolution * np.hypot(i - column, j - row)
    source = ny * nx  # an extra node stands for the root
    rows = np.concatenate((tail, np.full(len(i), source)))
    entries = np.concatenate((cost, np.maximum(reach, 1e-300)))
    graph = coo_matrix((entries, (rows, np.concatenate((head, j * nx + i)))), shape=(source + 1, source + 1)).tocsr()
    return np.asarray(dijkstra(graph, indices=source)[:source].reshape(ny, nx))


@dataclass
class _Node:
    pose: tuple[float, float, float]
    cost: float
    to_go: float
    curvature: float
    parent: int
    arcs: tuple[tuple[float, float], ...]
    goal: bool = False
    closed: bool = False


@dataclass
class _Search:
    """One of the two searches; `sense` -1 drives in reverse from the goal, with poses turned by pi."""

    costmap: CostMap
    allowed: Allowance
    request: RequestStructure
    primitives: FloatArray
    answer: AnswerStructure
    sense: int
    nodes: list[_Node] = field(default_factory=list)
    table: dict[tuple[int, int, int], int] = field(default_factory=dict)
    open: list[tuple[float, int]] = field(default_factory=list)
    expansions: int = 0
    next_shot: int = 0
    next_haste: int = _PATIENCE

    def begin(self) -> int:
        turn = 0.0 if self.sense > 0 else math.pi
        ends = [(float(p[0]), float(p[1]), float(p[2]) + turn) for p in (self.request.start, self.request.goal)]
        self.origin, self.target = ends if self.sense > 0 else ends[::-1]
        self.inflation = float(self.request.inflation)
        self.field = cost_field(self.costmap, self.target, self.sense)
        h = self.heuristic(self.origin)
        if self.sense > 0:
            self.answer.start_bound = h
        if not h < math.inf:
            return NOT_CONNECTED
        self.table[self.key(self.origin)] = 0
        self.add(_Node(self.origin, 0.0, h, 0.0, -1, ()))
        return _GO_ON

    def key(self, pose: tuple[float, float, float]) -> tuple[int, int, int]:
        cell, bins = self.request.key_cell, self.request.heading_bins
        turn = pose[2] / (2.0 * math.pi)
        bin_index = int((turn - math.floor(turn)) * bins + 0.5) % bins
        return math.floor((pose[0] - self.costmap.x0) / cell), math.floor((pose[1] - self.costmap.y0) / cell), bin_index

    def heuristic(self, pose: tuple[float, float, float]) -> float:
        h, least = self.field_value(pose[0], pose[1]), self.costmap.least_cost
        distance = math.dist(pose[:2], self.target[:2])
        if distance < 8.0 * self.request.radius:
            shortest = float(dubins_words(pose, self.target, self.request.radius)[:, :, 1].sum(axis=1).min())
            h += _DETOUR * least * max(0.0, shortest - distance)
        return h

    def field_value(self, x: float, y: float) -> float:
        ny, nx = self.field.shape
        column, row = (x - self.costmap.x0) / self.costmap.resolution, (y - self.costmap.y0) / self.costmap.resolution
        if not (0.0 <= column <= nx - 1 and 0.0 <= row <= ny - 1):
            return math.inf
        i, j = min(int(column), nx - 2), min(int(row), ny - 2)
        tx, ty = column - i, row - j
        corners = self.field[j : j + 2, i : i + 2]
        if np.all(np.isfinite(corners)):
            south, north = corners @ (1.0 - tx, tx)
            return float((1.0 - ty) * south + ty * north)
        reach = np.hypot(np.array([0.0, 1.0])[None, :] - tx, np.array([0.0, 1.0])[:, None] - ty)
        return float(np.min(corners + reach * self.costmap.resolution * self.costmap.least_cost))

    def drive(self, pose: tuple[float, float, float], arcs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """End poses (n, 3) and costs (n,) of arcs that all begin at one pose; infinite where a limit is passed."""
        curvature, length = arcs.T
        finest = np.minimum(self.request.sample, _SAMPLE_TURN / (np.abs(curvature) + 1e-9))
        count = np.maximum(1, np.ceil(length / finest - 1e-9).astype(int))
        which = np.repeat(np.arange(len(arcs)), count)
        step = (length / count)[which]
        along = (np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)) * step
        k = curvature[which]
        x, y, heading = _advance(pose, k, along)
        half = 0.5 * k * step
        chord = 0.5 * step * np.sinc(half / np.pi)  # samples lie midway on the chords, as in search.c
        x, y, heading = x + chord * np.cos(heading + half), y + chord * np.sin(heading + half), heading + half
        rate, reason = pose_costs(self.costmap, self.allowed, x, y, heading + (0.0 if self.sense > 0 else math.pi), k)
        for arc in range(len(arcs)):
            refused = reason[which == arc]
            if refused.any():
                self.answer.rejected[int(refused[refused > 0][0])] += 1
        cost = np.bincount(which, weights=rate * step, minlength=len(arcs)).astype(np.float64)
        return np.column_stack(_advance(pose, curvature, length)), cost

    def add(self, node: _Node) -> None:
        heapq.heappush(self.open, (node.cost + self.inflation * node.to_go, len(self.nodes)))
        self.nodes.append(node)
        self.answer.generated += 1

    def shoot(self, index: int) -> None:
        node = self.nodes[index]
        words = dubins_words(node.pose, self.target, self.request.radius)
        lengths = words[:, :, 1].sum(axis=1)
        shortest = lengths.min()
        for word in np.argsort(lengths, kind="stable")[:3]:
            if not lengths[word] <= 1.5 * shortest + self.request.radius:
                return
            pose, cost, previous = node.pose, node.cost, node.curvature
            for curvature, length in words[word]:
                if length > 0.0 and cost < math.inf:
                    ends, costs = self.drive(pose, np.array([[curvature, length]]))
                    cost += float(costs[0]) + self.request.change_cost * abs(curvature - previous)
                    pose, previous = tuple(ends[0]), curvature
            if cost < math.inf:
                self.add(_Node(pose, cost, 0.0, 0.0, index, tuple(map(tuple, words[word])), goal=True))
                return

    def expand(self, index: int) -> None:
        node = self.nodes[index]
        ends, costs = self.drive(node.pose, self.primitives)
        for (curvature, length), end, price in zip(self.primitives, ends, costs, strict=True):
            cost = node.cost + self.request.change_cost * abs(curvature - node.curvature) + float(price)
            if not cost < math.inf:
                continue
            pose = (float(end[0]), float(end[1]), float(end[2]))
            key = self.key(pose)
            if key in self.table and self.nodes[self.table[key]].cost <= cost:
                continue
            h = self.heuristic(pose)
            if h < math.inf:
                self.table[key] = len(self.nodes)
                self.add(_Node(pose, cost, h, float(curvature), index, ((float(curvature), float(length)),)))

    def go_on(self, turns: int) -> tuple[int, list[tuple[float, float]]]:
        while self.open and turns > 0:
            _, index = heapq.heappop(self.open)
            node = self.nodes[index]
            if node.goal:
                self.answer.cost = node.cost
                return FOUND, self.trace(index)
            if node.closed or self.table[self.key(node.pose)] != index:
                continue
            node.closed = True
            self.answer.expansions += 1
            self.expansions += 1
            if self.expansions > self.next_shot or math.dist(node.pose[:2], self.target[:2]) < 3.0 * self.request.radius:
                self.shoot(index)
                self.next_shot = self.expansions + self.request.shot_interval
            if self.expansions == self.next_haste:
                self.hasten()
            self.expand(index)
            if self.answer.expansions >= self.request.budget:
                return BUDGET, []
            turns -= 1
        return (_GO_ON, []) if self.open else (NONE_EXISTS, [])

    def hasten(self) -> None:
        self.inflation += _HASTE
        self.next_haste *= 2
        self.open = [(self.nodes[k].cost + self.inflation * self.nodes[k].to_go, k) for _, k in self.open]
        heapq.heapify(self.open)

    def trace(self, index: int) -> list[tuple[float, float]]:
        arcs: list[tuple[float, float]] = []
        while index >= 0:
            arcs = [*self.nodes[index].arcs, *arcs]
            index = self.nodes[index].parent
        return arcs if self.sense > 0 else [(-curvature, length) for curvature, length in reversed(arcs)]


def hybrid_search(
    costmap: CostMap, allowed: Allowance, request: RequestStructure, primitives: FloatArray
) -> tuple[AnswerStructure, FloatArray]:
    """What `hybrid_search` of search.c does: the answer and the (n, 2) arcs."""
    answer = AnswerStructure()
    searches = [_Search(costmap, allowed, request, primitives, answer, sense) for sense in (1, -1)]
    status, turn = _GO_ON, 0
    arcs: list[tuple[float, float]] = []
    while status == _GO_ON:
        side = searches[turn % 2]
        status = side.begin() if turn < 2 else _GO_ON
        if status == _GO_ON:
            status, arcs = side.go_on(_TURN_TAKING)
        turn += 1
    answer.status = status
    return answer, np.array(arcs).reshape(-1, 2)


def pose_costs(
    costmap: CostMap, allowed: Allowance, x: FloatArray, y: FloatArray, heading: FloatArray, curvature: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Cost per horizontal metre at poses, infinite where a limit is passed, and which limit (`Blocked`)."""
    hx, hy = costmap.surface.gradient(x, y)
    tan_tilt, tangent = np.hypot(hx, hy), hx * np.cos(heading) + hy * np.sin(heading)
    clear = costmap.clearance_at(x, y)
    rate = costmap.model.rate(costmap.power_at(x, y, heading), np.nan_to_num(tangent), np.nan_to_num(tan_tilt), curvature)
    ny, nx = costmap.obstacle.shape
    i = np.clip(np.floor((x - costmap.x0) / costmap.resolution + 0.5), 0, nx - 1).astype(int)
    j = np.clip(np.floor((y - costmap.y0) / costmap.resolution + 0.5), 0, ny - 1).astype(int)
    reason = np.select(
        [~(np.isfinite(tan_tilt) & np.isfinite(clear)), ~(clear >= allowed.clearance), ~(tan_tilt <= allowed.tan_tilt),
         ~(np.abs(tangent) <= allowed.tan_slope), ~np.isfinite(rate)],
        [Blocked.MAP_EDGE, costmap.obstacle[j, i], Blocked.TILT, Blocked.ALONG_SLOPE, Blocked.POWER], Blocked.FREE,
    )  # fmt: skip
    return np.where(reason == Blocked.FREE, rate, np.inf), reason.astype(np.int64)


def _advance(
    pose: tuple[float, float, float], curvature: FloatArray, length: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Poses at the ends of arcs that begin at one pose."""
    half = 0.5 * curvature * length
    chord = length * np.sinc(half / np.pi)
    return pose[0] + chord * np.cos(pose[2] + half), pose[1] + chord * np.sin(pose[2] + half), pose[2] + 2.0 * half
