"""Generator: closed forms of decay and degradation, the design figures of the MMRTG, refusal of nonsense."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.parameters import from_mapping
from rover_energy.power.rtg import RtgParameters, rtg_power


def test_fresh_power_is_units_times_one_generator() -> None:
    assert rtg_power(RtgParameters(beginning_of_life_power=110.0, units=3), 0.0) == pytest.approx(330.0)


def test_without_degradation_the_half_life_halves() -> None:
    parameters = RtgParameters(converter_degradation=0.0)
    assert rtg_power(parameters, [87.7, 175.4]) == pytest.approx([55.0, 27.5], rel=1e-14)


def test_matches_the_differential_equation() -> None:
    # dP/dt = P (ln(1 - d) - ln 2 / half-life), integrated by scipy instead of by the closed form.
    from scipy.integrate import solve_ivp

    parameters = RtgParameters()
    rate = np.log1p(-parameters.converter_degradation) - np.log(2.0) / parameters.half_life
    solution = solve_ivp(lambda _, p: rate * p, (0.0, 17.0), [110.0], rtol=1e-11, atol=1e-11)
    assert rtg_power(parameters, 17.0) == pytest.approx(solution.y[0, -1], rel=1e-9)


def test_defaults_meet_the_mmrtg_design_figures() -> None:
    # 125 W at fuelling, about 100 W after 14 years (design figures of the MMRTG).
    parameters = RtgParameters(beginning_of_life_power=125.0)
    assert rtg_power(parameters, 14.0) == pytest.approx(100.0, rel=0.005)


def test_no_units_no_power() -> None:
    assert np.all(rtg_power(RtgParameters(units=0), [0.0, 5.0]) == 0.0)


@pytest.mark.parametrize("age", [np.nan, -0.1])
def test_an_age_without_meaning_is_nan(age: float) -> None:
    assert np.isnan(rtg_power(RtgParameters(), age))


@pytest.mark.parametrize(
    ("field", "value"),
    [("half_life", 0.5), ("converter_degradation", 0.6), ("units", -1), ("beginning_of_life_power", float("nan"))],
)
def test_bad_constants_are_refused_in_one_line(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field) as caught:
        from_mapping(RtgParameters, {field: value}, "rover.yaml", "rtg.")
    assert "\n" not in str(caught.value)
