"""Ledger: closure to 1e-6, allocation with exact row and column sums, mutations that must break the closure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.errors import InputError
from rover_energy.power.battery import BatteryParameters
from rover_energy.power.bus import Ledger, balance_bus

BATTERY = BatteryParameters(capacity=5000.0, max_charge_power=60.0, max_discharge_power=80.0)


def random_ledger(seed: int, soc: float = 0.5) -> Ledger:
    rng = np.random.default_rng(seed)
    return balance_bus(
        BATTERY, rtg=90.0, pv=rng.uniform(0.0, 80.0, 300),
        loads={"base": 55.0, "drive": rng.uniform(0.0, 250.0, 300), "turn": rng.exponential(5.0, 300)},
        energy=soc * 5000.0, step=rng.uniform(0.01, 2.0, 300),
    )  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), soc=st.floats(0.0, 1.0))
def test_every_step_closes(seed: int, soc: float) -> None:
    ledger = random_ledger(seed, soc)
    assert ledger.closed
    assert np.max(ledger.residual) <= 1e-9
    total = ledger.energies()
    assert total["generated"] == pytest.approx(total["consumed"] + total["stored"] + total["shunted"] + total["lost"], rel=1e-9)
    assert total["base_power"] + total["drive_power"] + total["turn_power"] == pytest.approx(
        total["consumed"] + total["unserved"]
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_allocation_adds_up_to_sources_and_sinks(seed: int) -> None:
    ledger = random_ledger(seed)
    flows = ledger.allocation
    assert np.all(flows >= 0.0)
    assert flows[:, 0].sum(axis=1) == pytest.approx(ledger.sources["rtg"])
    assert flows[:, 1].sum(axis=1) == pytest.approx(ledger.sources["pv"], abs=1e-9)
    assert flows[:, 2].sum(axis=1) == pytest.approx(ledger.battery.discharge_power)
    assert flows[:, :, 0].sum(axis=1) == pytest.approx(ledger.demanded - ledger.unserved)
    assert flows[:, :, 1].sum(axis=1) == pytest.approx(ledger.battery.charge_power, abs=1e-9)
    assert flows[:, :, 2].sum(axis=1) == pytest.approx(ledger.shunted, abs=1e-9)


def test_one_step_by_hand() -> None:
    # 90 + 30 W generated, 160 W asked, 40 W from the battery at 0.95: 42.1 W from the store, 2.1 W lost.
    ledger = balance_bus(BATTERY, rtg=90.0, pv=30.0, loads={"all": 160.0}, energy=4000.0, step=1.0)
    assert ledger.generated == pytest.approx([120.0])
    assert ledger.consumed == pytest.approx([160.0])
    assert ledger.stored == pytest.approx([-40.0 / 0.95])
    assert ledger.lost == pytest.approx([40.0 / 0.95 - 40.0])
    assert ledger.allocation[0, :, 0] == pytest.approx([90.0, 30.0, 40.0])


def test_what_cannot_be_served_is_counted() -> None:
    ledger = balance_bus(BATTERY, rtg=10.0, pv=0.0, loads={"all": 200.0}, energy=4000.0, step=1.0, allow_discharge=False)
    assert ledger.unserved == pytest.approx([190.0])
    assert ledger.consumed == pytest.approx([10.0])


@pytest.mark.parametrize("channel", ["energy", "shunted_power", "lost_power", "unserved_power"])
def test_a_joule_that_goes_astray_opens_the_ledger(channel: str) -> None:
    ledger = random_ledger(3)
    wrong = np.array(getattr(ledger.battery, channel))
    wrong[100] += 1e-2
    broken = replace(ledger, battery=replace(ledger.battery, **{channel: wrong}))
    assert not broken.closed


def test_nan_does_not_close() -> None:
    pv = np.full(5, 20.0)
    pv[2] = np.nan
    ledger = balance_bus(BATTERY, rtg=90.0, pv=pv, loads={"base": 55.0}, energy=1000.0, step=1.0)
    assert not ledger.closed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rtg": -1.0}, "rtg"),
        ({"loads": {"drive": [-1.0]}}, "load drive"),
        ({"loads": {}}, "loads"),
        ({"pv": [1.0, 2.0], "step": [1.0, 1.0, 1.0]}, "pv"),
        ({"energy": float("nan")}, "energy"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, object], field: str) -> None:
    arguments = {"rtg": 90.0, "pv": 0.0, "loads": {"base": 55.0}, "energy": 1000.0, "step": 1.0, **changes}
    with pytest.raises(InputError, match=field) as caught:
        balance_bus(BATTERY, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
