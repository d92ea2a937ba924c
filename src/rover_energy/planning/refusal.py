"""Why there is no plan: a typed answer that names the binding constraint and what would help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rover_energy.errors import RoverEnergyError
from rover_energy.planning.retiming import TimingError
from rover_energy.planning.search import SearchFailure

#: What helps against each binding constraint, in the order in which to try it.
REMEDIES: dict[str, tuple[str, ...]] = {
    "power": ("shed loads or lower loads.inference_power", "start when the Sun is higher", "raise the battery's discharge power"),
    "floor": ("start with more charge", "start later, with more Sun", "shed loads", "choose a nearer goal"),
    "energy_budget": ("raise the energy budget", "shed loads", "choose a nearer goal"),
    "deadline": ("allow more time", "choose a nearer goal"),
    "along_slope": ("choose another goal", "raise limits.along_slope if the rover can climb it"),
    "tilt": ("choose another goal", "raise limits.tilt if the rover can stand it"),
    "keep_out": ("choose another goal", "check the keep-out polygons and the rover's width"),
    "map_edge": ("choose poses further inside the map", "load a larger map"),
    "no_data": ("choose poses on measured ground", "fill the terrain's gaps"),
    "curvature": ("choose another heading", "raise limits.curvature if the rover can turn tighter"),
    "horizon": ("raise the mission's horizon above the time that the drive takes", "choose a nearer goal"),
    "start_speed": ("brake to a stop and plan from there", "choose a goal further ahead"),
    "unsettled": ("plan through an intermediate pose", "start at another time"),
    "search": ("choose a nearer goal", "plan through an intermediate pose"),
    "certificate": ("report the case with its inputs", "plan through an intermediate pose"),
}


@dataclass(frozen=True)
class Binding:
    """The constraint that stands in the way and how far it is missed, if that is known."""

    constraint: str
    missing: float | None = None
    unit: str = ""


class Refusal(RoverEnergyError):
    """There is no plan that passes its certificate.

    Attributes
    ----------
    reason : str
        Machine-readable: "start_blocked", "goal_blocked", "no_path", "power", "floor", "energy_budget", "deadline",
        "certificate" and the like.
    binding : Binding
    remedies : tuple of str
    """

    def __init__(self, reason: str, constraint: str, text: str, *, missing: float | None = None, unit: str = "") -> None:
        self.reason = reason
        self.binding = Binding(constraint, missing, unit)
        self.remedies = REMEDIES.get(constraint, ())
        if reason == "start_blocked":
            self.remedies = tuple(text.replace("another goal", "another start") for text in self.remedies)
        hint = f" Try: {'; '.join(self.remedies)}." if self.remedies else ""
        super().__init__(f"no plan ({reason}, {constraint} binds): {' '.join(text.split())}.{hint}")

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "status": "refused", "reason": self.reason, "binding": vars(self.binding).copy(), "remedies": list(self.remedies),
            "message": str(self),
        }  # fmt: skip

    @classmethod
    def from_search(cls, failure: SearchFailure) -> Refusal:
        """No path."""
        return cls(failure.reason, failure.limit if failure.limit in REMEDIES else "search", str(failure))

    @classmethod
    def from_timing(cls, failure: TimingError) -> Refusal:
        """No drive along the path keeps the limits."""
        return cls(failure.reason, failure.reason, str(failure), missing=failure.missing, unit=failure.unit)
