"""Battery energy over time: the exact solution of the storage model for a net power that is constant in each step.

The model is the one of `rover_energy.power.battery`. Within a step the net power is constant, so the stored energy
follows a straight line while the battery takes or gives what is asked, and an exponential while a taper limits it; both
are solved in closed form, and the energy balance closes to rounding whatever the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.power.battery import BatteryParameters, charge_limit, discharge_limit, floor_energy, usable_capacity

Array = NDArray[np.float64]
SCALAR_BLOCK = 256
SHORT_RUN = 32


class Step(NamedTuple):
    """One step: stored energy after it [J] and mean powers over it at the bus [W]."""

    energy: float
    charge_power: float
    discharge_power: float
    shunted_power: float
    unserved_power: float


@dataclass(frozen=True)
class BatteryRecord:
    """Result of `integrate_battery` over n steps. Powers are means over the steps, at the bus, none negative.

    energy : (n + 1,) [J], at the ends of the steps. charge_power, discharge_power, shunted_power (surplus that nothing
    takes), unserved_power (demand that nothing meets), lost_power (conversion in and out of the store) : (n,) [W].
    step : (n,) [s]. capacity : usable capacity [J]. floor : energy of the least allowed state of charge [J].
    """

    energy: Array
    charge_power: Array
    discharge_power: Array
    shunted_power: Array
    unserved_power: Array
    lost_power: Array
    step: Array
    capacity: float
    floor: float

    @property
    def battery_power(self) -> Array:
        """Power at the bus, positive when discharging (n,) [W]."""
        return self.discharge_power - self.charge_power

    @property
    def state_of_charge(self) -> Array:
        """Energy over usable capacity (n + 1,); zeros without a battery."""
        return self.energy / self.capacity if self.capacity > 0.0 else 0.0 * self.energy

    @property
    def shortfall(self) -> float:
        """Energy that was asked for and not given [J]."""
        return float(np.sum(self.unserved_power * self.step))


@dataclass(frozen=True)
class _Constants:
    """The numbers of the closed forms: energies [J], powers [W], efficiencies."""

    capacity: float
    floor: float
    give: float
    take: float
    give_span: float
    take_span: float
    give_efficiency: float
    take_efficiency: float

    def discharged(self, energy: float, power: float, seconds: float) -> float:
        """Energy after asking `power` for `seconds`: constant draw, then the taper, down to the floor."""
        draw = min(power, self.give)
        if energy <= self.floor or draw <= 0.0:
            return energy
        corner = self.give_span * draw / self.give
        if energy > corner:
            target = max(corner, self.floor)
            straight = (energy - target) * self.give_efficiency / draw
            if straight >= seconds:
                return energy - draw * seconds / self.give_efficiency
            energy, seconds = target, seconds - straight
            if energy <= self.floor:
                return self.floor
        rate = self.give / (self.give_span * self.give_efficiency)
        return max(self.floor, energy * math.exp(-rate * seconds))

    def charged(self, energy: float, power: float, seconds: float) -> float:
        """Energy after offering `power` for `seconds`: constant intake, then the taper towards full."""
        intake = min(power, self.take)
        if energy >= self.capacity or intake <= 0.0:
            return energy
        corner = self.capacity - self.take_span * intake / self.take
        if energy < corner:
            straight = (corner - energy) / (self.take_efficiency * intake)
            if straight >= seconds:
                return energy + self.take_efficiency * intake * seconds
            energy, seconds = corner, seconds - straight
        if self.take_span <= 0.0:
            return self.capacity
        gap = (self.capacity - energy) * math.exp(-self.take_efficiency * self.take * seconds / self.take_span)
        return self.capacity - gap


def _constants(parameters: BatteryParameters, allow_discharge: bool, keep_floor: bool) -> _Constants:
    capacity = usable_capacity(parameters)
    return _Constants(
        capacity=capacity,
        floor=floor_energy(parameters) if keep_floor else 0.0,
        give=float(discharge_limit(parameters, 1.0)) if allow_discharge else 0.0,
        take=float(charge_limit(parameters, 0.0)),
        give_span=parameters.discharge_taper * capacity,
        take_span=(1.0 - parameters.charge_taper) * capacity,
        give_efficiency=parameters.discharge_efficiency,
        take_efficiency=parameters.charge_efficiency,
    )


def step_battery(
    parameters: BatteryParameters,
    energy: float,
    net_power: float,
    seconds: float,
    *,
    allow_discharge: bool = True,
    keep_floor: bool = True,
) -> Step:
    """Advance the battery by one step of constant net power.

    Parameters
    ----------
    parameters : BatteryParameters
    energy : float
        Stored energy at the start [J].
    net_power : float
        Generation less demand at the bus [W]; positive charges.
    seconds : float
        Length of the step [s], above 0.
    allow_discharge, keep_floor : bool
        As in `integrate_battery`.

    Returns
    -------
    Step

    Raises
    ------
    InputError
        When an argument is NaN or out of range.
    """
    if not math.isfinite(net_power):
        raise InputError("battery", "net_power", "is not a finite number", "check the supply and demand in W", net_power)
    record = integrate_battery(parameters, energy, [net_power], seconds, allow_discharge=allow_discharge, keep_floor=keep_floor)
    powers = (record.charge_power, record.discharge_power, record.shunted_power, record.unserved_power)
    return Step(float(record.energy[1]), *(float(power[0]) for power in powers))


def integrate_battery(
    parameters: BatteryParameters,
    energy: float,
    net_power: ArrayLike,
    step: ArrayLike,
    *,
    allow_discharge: bool = True,
    keep_floor: bool = True,
) -> BatteryRecord:
    """Advance the battery through steps of constant net power, exactly.

    Parameters
    ----------
    parameters : BatteryParameters
    energy : float
        Stored energy at the start [J].
    net_power : array_like, (n,)
        Mean generation less demand at the bus in each step [W]; positive charges.
    step : array_like, scalar or (n,)
        Length of the steps [s], above 0.
    allow_discharge : bool
        False: the battery only charges, and every deficit is unserved.
    keep_floor : bool
        True: discharge stops at the floor. False: it goes on to empty, as a planner needs that wants to know by how
        much a plan would pass the floor.

    Returns
    -------
    BatteryRecord
        Deficits that the power limit, the taper or the floor leave uncovered are in `unserved_power`. From the first NaN
        in `net_power` on, all channels are NaN.

    Raises
    ------
    InputError
        When the start energy or a step is NaN or out of range, or the shapes do not fit.
    """
    net = np.asarray(net_power, dtype=float)
    seconds = np.asarray(step, dtype=float)
    capacity = usable_capacity(parameters)
    _check_energy(energy, capacity)
    if net.ndim != 1 or seconds.shape not in ((), net.shape):
        raise InputError("battery", "net_power, step", "shapes do not fit", "give (n,) powers and one step or (n,) steps")
    if not np.all((seconds > 0.0) & (seconds < np.inf)):
        raise InputError("battery", "step", "is not a positive time", "give steps above 0 s")
    seconds = np.broadcast_to(seconds, net.shape)
    finite = np.isfinite(net)
    known = len(net) if finite.all() else int(np.argmin(finite))
    stored = np.full(len(net) + 1, np.nan)
    stored[0] = energy
    _integrate(_constants(parameters, allow_discharge, keep_floor), parameters, stored, net[:known], seconds[:known])
    return _record(parameters, stored, net, seconds, capacity)


def _check_energy(energy: float, capacity: float) -> None:
    if not (0.0 <= energy <= capacity * (1.0 + 1e-12)):
        raise InputError("battery", "energy", "is not between empty and full", f"give 0 J to {capacity:g} J", energy)


def _integrate(constants: _Constants, parameters: BatteryParameters, stored: Array, net: Array, seconds: Array) -> None:
    """Fill `stored[1:]`: whole runs at once where nothing limits, step by step where something does."""
    position, count = 0, len(net)
    reach = count
    while position < count:
        stop = min(count, position + reach)
        run = _free_run(constants, parameters, stored, net[:stop], seconds, position)
        position += run
        if run >= SHORT_RUN:
            reach = 4 * reach
            continue
        # Something limits here: go on step by step, then try short runs first, as limits tend to last.
        reach, stop = SCALAR_BLOCK, min(count, position + SCALAR_BLOCK)
        energy = float(stored[position])
        energies = []
        for power, length in zip(net[position:stop].tolist(), seconds[position:stop].tolist(), strict=True):
            energy = constants.discharged(energy, -power, length) if power < 0.0 else constants.charged(energy, power, length)
            energies.append(energy)
        stored[position + 1 : stop + 1] = energies
        position = stop


def _free_run(
    constants: _Constants,
    parameters: BatteryParameters,
    stored: Array,
    net: Array,
    seconds: Array,
    position: int,
) -> int:
    """Number of steps from `position` on that no limit touches; their energies are written."""
    power = net[position:]
    efficiency = np.where(power < 0.0, 1.0 / constants.give_efficiency, constants.take_efficiency)
    changes = power * efficiency * seconds[position : position + len(power)]
    after = np.cumsum(np.concatenate((stored[position : position + 1], changes)))[1:]
    if constants.capacity > 0.0:
        charge = after / constants.capacity
        give = np.minimum(discharge_limit(parameters, charge), constants.give)
        take = np.minimum(charge_limit(parameters, charge), constants.take)
    else:
        give = take = np.zeros_like(after)
    # The limits are monotone in the energy, so a step that respects them at its end does so throughout.
    free = np.where(power < 0.0, (-power <= give) & (after >= constants.floor), (power <= take) & (after <= constants.capacity))
    run = len(free) if free.all() else int(np.argmin(free))
    stored[position + 1 : position + 1 + run] = after[:run]
    return run


def _settled(power: Array, asked: Array, rounding: Array) -> Array:
    """Power clipped to 0..asked; what differs from `asked` by less than rounding of the energy is `asked` itself."""
    settled: Array = np.where(np.abs(power - asked) <= rounding, asked, np.clip(power, 0.0, asked))
    return settled


def _record(parameters: BatteryParameters, stored: Array, net: Array, seconds: Array, capacity: float) -> BatteryRecord:
    change = np.diff(stored) / seconds
    deficit = np.where(np.isnan(change), np.nan, np.maximum(0.0, -net))
    surplus = np.where(np.isnan(change), np.nan, np.maximum(0.0, net))
    rounding = 8.0 * np.finfo(float).eps * stored[1:] / seconds
    given = _settled(-change * parameters.discharge_efficiency, deficit, rounding)
    taken = _settled(change / parameters.charge_efficiency, surplus, rounding)
    lost = given / parameters.discharge_efficiency - given + taken * (1.0 - parameters.charge_efficiency)
    return BatteryRecord(
        energy=stored,
        charge_power=taken,
        discharge_power=given,
        shunted_power=surplus - taken,
        unserved_power=deficit - given,
        lost_power=lost,
        step=np.array(seconds),
        capacity=capacity,
        floor=floor_energy(parameters),
    )


def full_battery(parameters: BatteryParameters, state_of_charge: float) -> float:
    """Stored energy at a state of charge [J]. Raises InputError outside 0..1 (a percentage is the usual cause)."""
    if not (0.0 <= state_of_charge <= 1.0):
        raise InputError("battery", "state_of_charge", "is not between 0 and 1", "give a fraction, not percent", state_of_charge)
    return state_of_charge * usable_capacity(parameters)
