"""Errors: one root, one line, an exit code."""

from __future__ import annotations

import pytest

from rover_energy import errors
from rover_energy.errors import InputError, MissingExtraError, RoverEnergyError


def test_exit_codes_are_those_of_the_command_line() -> None:
    codes = errors.EXIT_CLEAN, errors.EXIT_FAILED, errors.EXIT_USAGE, errors.EXIT_LOSS
    assert codes == (0, 1, 2, 3)
    assert RoverEnergyError.exit_code == errors.EXIT_FAILED
    assert InputError.exit_code == MissingExtraError.exit_code == errors.EXIT_USAGE


def test_input_error_is_one_line_with_everything_in_it() -> None:
    error = InputError("rover.yaml", "mass", "is below\nthe least allowed 0.1 kg", "give  0.1 kg or more", -3.0)
    assert str(error) == "rover.yaml: mass = -3.0: is below the least allowed 0.1 kg; give 0.1 kg or more"
    assert (error.source, error.field, error.value) == ("rover.yaml", "mass", -3.0)
    assert isinstance(error, RoverEnergyError)


def test_a_value_that_is_not_given_is_not_shown() -> None:
    assert str(InputError("map.tif", "file", "is missing", "check the path")) == "map.tif: file: is missing; check the path"
    assert " = 0.0:" in str(InputError("a", "b", "c", "d", 0.0))  # nothing is not the same as zero


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(RoverEnergyError, match=r"reading a GeoTIFF needs rasterio; .*'rover-energy\[terrain\]'"):
        raise MissingExtraError("rasterio", "terrain", "reading a GeoTIFF")
