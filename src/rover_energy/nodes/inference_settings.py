"""Settings of the nodes of inference, declared like those in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.inference.grants import FloorReserve
from rover_energy.nodes.settings import NodeParameters
from rover_energy.parameters import parameter

FLOOR = FloorReserve()


@dataclass(frozen=True)
class ManagerParameters(NodeParameters):
    """The inference manager."""

    store: str = parameter("", description="YAML or JSON file with the variants, see rover-energy infer")
    period: float = parameter(1.0, unit="s", minimum=0.05, maximum=600.0, description="of the grants; demands go out as often")
    margin: float = parameter(1.1, minimum=1.0, maximum=10.0, description="reserved energy over a variant's 95 % energy")
    slack: float = parameter(2.0, minimum=1.0, maximum=100.0, description="reserved time over a variant's 95 % latency")
    lead: float = parameter(
        0.1, unit="s", minimum=0.0, maximum=60.0, description="that a run may take to begin after its permission",
    )  # fmt: skip
    grace: float = parameter(
        2.0, unit="s", minimum=0.0, maximum=600.0, description="after a run's time, until it counts as lost and wholly spent",
    )  # fmt: skip
    floor_power: float = parameter(
        FLOOR.power, unit="W", minimum=0.0, maximum=1e4, description="mean power that the reserved perception always has",
    )  # fmt: skip
    floor_burst: float = parameter(FLOOR.burst, unit="J", minimum=0.0, maximum=1e6, description="most that it may take at once")
    floor_peak: float = parameter(FLOOR.peak_power, unit="W", minimum=0.0, maximum=1e4, description="most at any instant")


@dataclass(frozen=True)
class AccountantParameters(NodeParameters):
    """The energy accountant."""

    period: float = parameter(1.0, unit="s", minimum=0.1, maximum=600.0, description="real time between two reports")
    ledger: str = parameter("", description="JSON file that gets the account when the node comes to rest; empty: none")
    floor_power: float = parameter(
        FLOOR.power, unit="W", minimum=0.0, maximum=1e4, description="as the inference manager's, as are the next two",
    )  # fmt: skip
    floor_burst: float = parameter(FLOOR.burst, unit="J", minimum=0.0, maximum=1e6, description="most that it may take at once")
    floor_peak: float = parameter(FLOOR.peak_power, unit="W", minimum=0.0, maximum=1e4, description="most at any instant")


@dataclass(frozen=True)
class NetworkParameters(NodeParameters):
    """What every node that runs networks is told."""

    lockstep: bool = parameter(False, description="say when nothing is left to compute, to a simulation that waits for it")


@dataclass(frozen=True)
class SentinelParameters(NetworkParameters):
    """The telemetry sentinel."""

    store: str = parameter("", description="YAML or JSON file with the variants, see rover-energy infer")
    period: float = parameter(1.0, unit="s", minimum=0.1, maximum=600.0, description="of a row of telemetry, by its time stamps")
    report: float = parameter(1.0, unit="s", minimum=0.1, maximum=600.0, description="real time between two diagnostics")
    threshold: float = parameter(
        0.0, minimum=0.0, maximum=1e3, description="score [nat] above which it is an anomaly; 0: that of the artefact, by depth",
    )  # fmt: skip


@dataclass(frozen=True)
class AnalystParameters(NetworkParameters):
    """The log analyst."""

    store: str = parameter("", description="YAML or JSON file with the variants, see rover-energy infer")
    lines: int = parameter(5000, minimum=10, maximum=10**6, description="of the log that are kept")
    sample: float = parameter(1.0, unit="s", minimum=0.1, maximum=3600.0, description="between two samples of a part in the log")


@dataclass(frozen=True)
class LearningParameters(NetworkParameters):
    """The learning planner."""

    school: str = parameter("", description="folder with teacher, student and curves, see rover-energy infer build")
    ground: str = parameter("", description="patches of the place, .npz; empty: a generated place")
    folder: str = parameter("", description="store that gets the new variant, and the state meanwhile; empty: the school's")
    slice: float = parameter(0.3, unit="s", minimum=0.1, maximum=60.0, description="of processor time that is asked for at once")
    patience: float = parameter(
        600.0, unit="s", minimum=0.1, maximum=1e6, description="for leave to go on, where a goal cannot wait",
    )  # fmt: skip
    weight: float = parameter(0.2, minimum=0.0, maximum=1e3, description="worth of a slice against other requests")
    seed: int = parameter(0, minimum=0, maximum=2**31 - 1, description="of training, and of the generated place")


@dataclass(frozen=True)
class TerrainClassParameters(NetworkParameters):
    """The terrain classifier."""

    store: str = parameter("", description="YAML or JSON file with the variants; those of the task terrain_class are used")
    period: float = parameter(1.0, unit="s", minimum=0.1, maximum=600.0, description="of the answers, and their deadline")
    spacing: float = parameter(0.25, unit="m", minimum=0.01, maximum=10.0, description="of the cells of a patch of 16 x 16")
    across: int = parameter(4, minimum=1, maximum=16, description="patches along each side of the square around the rover")


@dataclass(frozen=True)
class EnergyMapParameters(NetworkParameters):
    """The predictor of the energy map."""

    store: str = parameter("", description="YAML or JSON file with the variants; those of the task energy_map are used")
    image: str = parameter("", description=".npz with `image`, the brightness at the nodes of the terrain")
    out: str = parameter("", description=".npz that gets the map for `rover-energy plan --energy-map`; empty: none")
    period: float = parameter(10.0, unit="s", minimum=0.1, maximum=3600.0, description="until it asks again when it was refused")
    patience: float = parameter(600.0, unit="s", minimum=0.1, maximum=1e6, description="for which a run may wait for surplus")


def floor_of(settings: ManagerParameters | AccountantParameters) -> FloorReserve:
    """The reserve that the settings describe."""
    return FloorReserve(settings.floor_power, settings.floor_burst, settings.floor_peak)


INFERENCE: dict[str, type[NodeParameters]] = {"inference_manager": ManagerParameters, "energy_accountant": AccountantParameters}
INFERENCE |= {"terrain_classifier": TerrainClassParameters}
INFERENCE |= {"telemetry_sentinel": SentinelParameters, "log_analyst": AnalystParameters}
INFERENCE |= {"learning_planner": LearningParameters}
INFERENCE |= {"energy_map_predictor": EnergyMapParameters}
