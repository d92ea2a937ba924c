"""The contract that holds everything together: a variant is one way to do a task, with its price and its quality.

Compressors produce variants, meters price them, choosers choose among them, the manager runs them.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from rover_energy.errors import InputError
from rover_energy.inference.energy import PROVENANCES, Energy, Provenance
from rover_energy.parameters import Parameters, parameter

PRECISIONS = ("fp32", "fp16", "int8", "w4a8", "ternary", "spikes", "exact")
FAMILIES = ("network", "spiking", "activation_quantised", "integer", "ternary", "algorithm")


@dataclass(frozen=True)
class Variant(Parameters):
    """One way to do a task.

    Energies are for one unit of work (a patch, a query, a token), where `batch` units run together; the latency is that of
    such a batch. A run of another amount costs `energy_of` and lasts `seconds_of`: a linear law, as a call has its own cost
    however much there is to do.
    """

    name: str = parameter("", description="unique in its store")
    task: str = parameter("", description="what it does, e.g. terrain_class")
    family: str = parameter("network", choices=FAMILIES, description="how it was made")
    precision: str = parameter("fp32", choices=PRECISIONS, description="of weights and activations")
    tier: int = parameter(0, minimum=0, maximum=1000, description="place on its family's ladder, e.g. recursion depth; 0: none")
    time_steps: int = parameter(0, minimum=0, maximum=1000, description="of a spiking network; 0: not one")
    metric: str = parameter("accuracy", description="what the quality is")
    quality: float = parameter(0.0, minimum=0.0, maximum=1.0, description="on data it was not trained with")
    quality_low: float = parameter(0.0, minimum=0.0, maximum=1.0, description="lower end of the 95 % interval")
    quality_high: float = parameter(1.0, minimum=0.0, maximum=1.0, description="upper end")
    energy: float = parameter(0.0, unit="J", minimum=0.0, maximum=1e9, description="taken from the bus, median")
    energy_high: float = parameter(0.0, unit="J", minimum=0.0, maximum=1e9, description="not exceeded in 95 % of the runs")
    energy_provenance: str = parameter("unknown", choices=PROVENANCES, description="where the energies come from")
    energy_detail: str = parameter("", description="constants behind them")
    peak_power: float = parameter(0.0, unit="W", minimum=0.0, maximum=1e5, description="most at any instant of a run")
    latency: float = parameter(0.0, unit="s", minimum=0.0, maximum=1e6, description="95 % of the runs are faster")
    size: int = parameter(0, unit="byte", minimum=0, maximum=10**13, description="of its weights as stored")
    operations: float = parameter(0.0, minimum=0.0, maximum=1e18, description="multiply-accumulates or additions; 0: not counted")
    batch: int = parameter(1, minimum=1, maximum=10**6, description="units of work run together at this price")
    fixed_share: float = parameter(
        0.0, minimum=0.0, maximum=1.0, description="of the energy and time of a batch: what a run takes whatever its amount"
    )
    artefact: str = parameter("", description="file beside the store, e.g. an ONNX model; empty: none")
    checksum: str = parameter("", description="sha256 of the artefact")
    floor: bool = parameter(False, description="the one that always may run: it serves the reserved perception")
    source: str = parameter("", description="command, seed and method that made it")

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("name", "task"):
            if not getattr(self, field):
                raise InputError("Variant", field, "is empty", "give it a name")
        if not self.quality_low <= self.quality <= self.quality_high:
            problem = f"lies outside its interval {self.quality_low:g} .. {self.quality_high:g}"
            raise InputError("Variant", "quality", problem, "give low <= quality <= high", self.quality)
        if not self.energy_high >= self.energy:
            problem = f"is below energy = {self.energy:g} J"
            raise InputError("Variant", "energy_high", problem, "give the 95 % value", self.energy_high)
        if self.provenance is Provenance.UNKNOWN and self.energy > 0.0:
            raise InputError(
                "Variant", "energy_provenance", "is unknown, but there is an energy", f"say one of {', '.join(PROVENANCES[1:])}",
            )  # fmt: skip
        if self.artefact and len(self.checksum) != 64:
            raise InputError("Variant", "checksum", "is not a sha256", "give the 64 digits of the artefact", self.checksum)

    @property
    def provenance(self) -> Provenance:
        """Where the energies come from."""
        return Provenance[self.energy_provenance.upper()]

    @property
    def price(self) -> Energy:
        """Median energy per unit of work; unmetered when nobody priced it."""
        return Energy(self.energy, self.provenance, (self.energy_high - self.energy) / 1.645, self.energy_detail)

    @property
    def priced(self) -> bool:
        """It has an energy, so it may be planned with."""
        return self.provenance is not Provenance.UNKNOWN

    def energy_of(self, amount: float) -> float:
        """Median energy of a run of so many units of work [J]."""
        return self.energy * self._worth(amount)

    def energy_high_of(self, amount: float) -> float:
        """Energy that such a run does not exceed in 95 % of the cases [J]."""
        return self.energy_high * self._worth(amount)

    def seconds_of(self, amount: float) -> float:
        """Time within which 95 % of such runs end [s]; never less than a whole batch is given."""
        return self.latency * (self.fixed_share + (1.0 - self.fixed_share) * math.ceil(amount / self.batch))

    def _worth(self, amount: float) -> float:
        """Units of work at the batch's price that cost as much as a run of this amount."""
        return self.fixed_share * self.batch + (1.0 - self.fixed_share) * amount

    @property
    def quality_per_joule(self) -> float:
        """[1/J]; NaN when it is unmetered or free."""
        return self.quality / self.energy if self.priced and self.energy > 0.0 else math.nan


def digest(path: Path) -> str:
    """sha256 of a file. Raises InputError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(str(path), "artefact", error.strerror or "cannot be read", "build it again") from None


def wilson(correct: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share: Wilson 1927, 10.1080/01621459.1927.10502953, eq. 2. `z` standard deviations, 1.96 for 95 %.

    Raises InputError unless 0 <= correct <= count and count >= 1.
    """
    if not (count >= 1 and 0 <= correct <= count):
        raise InputError("interval", "correct", f"is not within 0 .. count = {count}", "give counts of answers", correct)
    share, square = correct / count, z * z
    middle = (share + square / (2.0 * count)) / (1.0 + square / count)
    half = z / (1.0 + square / count) * math.sqrt(share * (1.0 - share) / count + square / (4.0 * count * count))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
