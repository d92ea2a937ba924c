"""Grants: what the neural networks may take from the bus. The side of the bus; `budget.py` is the side that spends.

A grant holds until it expires or the next one replaces it. Without a valid grant only the floor is left: the reserved
perception, whose power the bus keeps for it always.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from rover_energy.errors import InputError
from rover_energy.parameters import Parameters, parameter


class Mode(IntEnum):
    """How freely to spend, with the codes of the message InferenceGrant."""

    FLOOR = 0
    SAVING = 1
    NORMAL = 2
    SURPLUS = 3


@dataclass(frozen=True)
class FloorReserve(Parameters):
    """What the reserved perception may take without any grant: a bucket that fills at `power` up to `burst`."""

    power: float = parameter(0.5, unit="W", minimum=0.0, maximum=1e4, description="mean power that is always kept for it")
    burst: float = parameter(0.5, unit="J", minimum=0.0, maximum=1e6, description="most that it may take at once")
    peak_power: float = parameter(6.0, unit="W", minimum=0.0, maximum=1e4, description="most at any instant")


@dataclass(frozen=True)
class GrantPolicy(Parameters):
    """How the bus makes grants."""

    period: float = parameter(1.0, unit="s", minimum=0.05, maximum=600.0, description="after which the next grant replaces it")
    lifetime: float = parameter(2.0, unit="s", minimum=0.1, maximum=1200.0, description="after which a grant expires by itself")
    power: float = parameter(
        10.0, unit="W", minimum=0.0, maximum=1e4, description="that plans count on for inference; granted while the bus has it",
    )  # fmt: skip
    saving_below: float = parameter(
        3.6e4, unit="J", minimum=0.0, maximum=1e12, description="store above its floor below which only cheap variants run",
    )  # fmt: skip
    saving_share: float = parameter(0.3, minimum=0.0, maximum=1.0, description="of `power` that is granted then")
    surplus_share: float = parameter(0.5, minimum=0.0, maximum=1.0, description="of shunted power that is granted on top")
    surplus_power: float = parameter(40.0, unit="W", minimum=0.0, maximum=1e4, description="most that is granted on top")


@dataclass(frozen=True)
class Outlook:
    """What the bus has for inference over the lifetime of the next grant.

    spare : least power left by all other loads [W]; NaN grants the floor only. shunted : power that nothing takes [W].
    discharging : power that the battery gives now [W]. above_floor : energy in the store above its floor [J].
    charge_efficiency, discharge_efficiency : of the battery [-]. shed : inference had to go for the sake of other loads.
    """

    spare: float
    shunted: float = 0.0
    discharging: float = 0.0
    above_floor: float = 0.0
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    shed: bool = False


@dataclass(frozen=True)
class Grant:
    """See the message InferenceGrant. stamp, valid_until [s]; energy [J] over that time; power_limit [W]; intensity [-]."""

    stamp: float
    valid_until: float
    sequence: int
    mode: Mode
    energy: float
    power_limit: float
    intensity: float = 1.0
    reason: str = ""

    def __post_init__(self) -> None:
        numbers = (self.stamp, self.valid_until, self.energy, self.power_limit, self.intensity)
        if not all(math.isfinite(n) for n in numbers) or not (self.energy >= 0.0 and self.power_limit >= 0.0):
            raise InputError("grant", "energy, power_limit", "is not a finite number of 0 or more", "drop the grant", numbers)
        if not self.valid_until > self.stamp:
            raise InputError("grant", "valid_until", "is not after its stamp", "drop the grant", self.valid_until)
        if not self.intensity >= 0.0:
            raise InputError("grant", "intensity", "is below 0", "drop the grant", self.intensity)

    def valid(self, now: float) -> bool:
        """It is in force at `now` [s]; NaN is not."""
        return self.stamp <= now < self.valid_until


def marginal_intensity(power: float, *, shunted: float, discharging: float, charge: float, discharge: float) -> float:
    """What a further joule at the bus costs in joules of generation [-].

    0 while it would be shunted, 1 straight from a source, 1/(charge x discharge efficiency) through the battery; the
    mean over `power`, or the value of the first joule for `power` = 0.

    Parameters
    ----------
    power : float
        Further load [W], 0 or more.
    shunted, discharging : float
        Power that nothing takes, and that the battery gives, before it [W].
    charge, discharge : float
        Efficiencies of the battery, above 0 up to 1.

    Raises
    ------
    InputError
        When a value is NaN or out of range.

    Notes
    -----
    The marginal-intensity idea of carbon accounting (Luccioni and Hernandez-Garcia 2023, arXiv 2302.08476: carbon is
    energy times intensity), with the bus in the place of the grid. While the battery charges, a joule comes straight
    from a source and what is stored less is not counted twice.
    """
    for name, value in (("power", power), ("shunted", shunted), ("discharging", discharging)):
        if not 0.0 <= value < math.inf:
            raise InputError("intensity", name, "is not a finite number of 0 or more", "give watts", value)
    for name, value in (("charge", charge), ("discharge", discharge)):
        if not 0.0 < value <= 1.0:
            raise InputError("intensity", name, "is not within 0 .. 1", "give an efficiency", value)
    rest = 1.0 / (charge * discharge) if discharging > 0.0 else 1.0
    if power == 0.0:
        return 0.0 if shunted > 0.0 else rest
    return max(0.0, power - shunted) / power * rest


def make_grant(policy: GrantPolicy, floor: FloorReserve, outlook: Outlook, *, now: float, sequence: int) -> Grant:
    """The next grant. Whatever is not known grants the floor.

    The power limit is at most what all other loads leave, and includes the peak of the floor; the energy is at most
    power limit times period (a grant that is not replaced in time must last for the rest of its lifetime), at most what
    the store can give above its floor where the sources alone do not carry it, and at least what the floor may take.

    Raises
    ------
    InputError
        When `now` is not finite.
    """
    o, numbers = outlook, (outlook.spare, outlook.shunted, outlook.discharging, outlook.above_floor)
    if not all(math.isfinite(n) for n in numbers) or min(o.shunted, o.discharging) < 0.0:
        return _floor(policy, floor, now, sequence, "the bus is not metered: the reserved perception only")
    if o.shed:
        return _floor(policy, floor, now, sequence, "shed for other loads: the reserved perception only")
    if not o.spare >= floor.peak_power:
        reason = f"the other loads leave {max(0.0, o.spare):.4g} W: the reserved perception only"
        return _floor(policy, floor, now, sequence, reason)
    extra = min(policy.surplus_share * o.shunted, policy.surplus_power)
    saving = extra <= 0.0 and o.above_floor < policy.saving_below and o.discharging > 0.0
    mode = Mode.SAVING if saving else Mode.SURPLUS if extra > 0.0 else Mode.NORMAL
    power = min(o.spare, max(floor.peak_power, policy.power + extra))
    mean = power * (policy.saving_share if saving else 1.0)
    energy = mean * policy.period
    if o.discharging > 0.0:
        energy = min(energy, max(0.0, o.above_floor) * o.discharge_efficiency)
    energy = max(energy, floor_energy(floor, policy.lifetime))
    intensity = marginal_intensity(
        power, shunted=o.shunted, discharging=o.discharging, charge=o.charge_efficiency, discharge=o.discharge_efficiency
    )
    reason = {
        Mode.SAVING: f"the store is {o.above_floor:.4g} J above its floor and gives {o.discharging:.4g} W",
        Mode.NORMAL: "what plans count on for inference",
        Mode.SURPLUS: f"{o.shunted:.4g} W would be shunted",
    }[mode]
    return Grant(now, now + policy.lifetime, sequence, mode, energy, power, intensity, reason)


def floor_energy(floor: FloorReserve, seconds: float) -> float:
    """Most that the reserved perception can take within so long [J]: a full bucket and what flows into it."""
    return floor.burst + floor.power * seconds


def _floor(policy: GrantPolicy, floor: FloorReserve, now: float, sequence: int, reason: str) -> Grant:
    energy = floor_energy(floor, policy.lifetime)
    return Grant(now, now + policy.lifetime, sequence, Mode.FLOOR, energy, floor.peak_power, 1.0, reason)
