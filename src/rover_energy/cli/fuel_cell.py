"""`rover-energy infer fuel-cell`: a regenerative fuel cell for rover.yaml, from the binding energies of its catalyst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet, check_number
from rover_energy.errors import InputError

SOURCES = ("literature", "emt", "surrogate")
WATTS = 1e6


def fuel_cell(
    metal: Annotated[str, typer.Option("--metal", help="Of the electrodes that discharge: Ni, Cu, Pd, Ag, Pt or Au")] = "Pt",
    energies: Annotated[
        str, typer.Option("--energies", help="How other metals differ from Pt: emt (toy potential) or surrogate (network)")
    ] = "literature",
    oxygen: Annotated[float | None, typer.Option("--oxygen-energy", help="Binding free energy of O instead [eV]")] = None,
    hydrogen: Annotated[float | None, typer.Option("--hydrogen-energy", help="Binding free energy of H instead [eV]")] = None,
    capacity: Annotated[float, typer.Option("--capacity", help="Energy of full tanks at the reversible voltage [J]")] = 3.6e6,
    power: Annotated[float, typer.Option("--power", help="Rated discharge power at the bus [W]")] = 150.0,
    charge_power: Annotated[float, typer.Option("--charge-power", help="Rated charge power at the bus [W]")] = 150.0,
    area: Annotated[float, typer.Option("--area", help="Of the electrodes of all cells [m2]")] = 0.05,
    temperature: Annotated[float, typer.Option("--temperature", help="Of the cells [K]")] = 353.15,
    seed: Annotated[int, typer.Option("--seed", help="Of the surrogate's data and training", metavar="N")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print the battery section of rover.yaml for a regenerative fuel cell: efficiencies at rated power from overpotentials.

    Planner, bus and the price of a joule from the store take it as they take any battery. Binding energies of platinum are
    published ones; those of other metals are platinum's and the difference of a toy potential (effective medium theory, not DFT)
    or of a network trained on it, which makes metals far more alike than they are. Give published energies where you have them.

    **Example:** rover-energy infer fuel-cell --metal Pd --energies emt --capacity 7.2e6 --power 120

    **Exit codes:** 0 clean, 2 unusable input, cells too small, or ase or torch is missing.
    """
    for value, option in ((capacity, "--capacity"), (power, "--power"), (charge_power, "--charge-power")):
        check_number(value, option, 1e-3, 1e12 if option == "--capacity" else WATTS, "J" if option == "--capacity" else "W")
    check_number(seed, "--seed", 0, 2**31 - 1, "")
    if energies not in SOURCES:
        raise InputError(SOURCE, "--energies", "is unknown", f"use one of {', '.join(SOURCES)}", energies)
    if energies == "literature" and metal != "Pt" and (oxygen is None or hydrogen is None):
        remedy = "add --energies emt, or give --oxygen-energy and --hydrogen-energy"
        raise InputError(SOURCE, "--metal", "has no published energies in here but Pt", remedy, metal)

    from rover_energy.cli.output import Console
    from rover_energy.inference.grants import marginal_intensity
    from rover_energy.parameters import to_mapping
    from rover_energy.power.fuel_cell import FuelCellParameters, oxygen_overpotential, storage

    console = Console(as_json=as_json, quiet=quiet)
    shift = shifts(metal, energies, seed, console)
    plain = FuelCellParameters()
    cells = FuelCellParameters(
        area=area, temperature=temperature,
        oxygen_energy=plain.oxygen_energy + shift["O"] if oxygen is None else oxygen,
        hydrogen_energy=plain.hydrogen_energy + shift["H"] if hydrogen is None else hydrogen,
    )  # fmt: skip
    made = storage(cells, capacity=capacity, discharge_power=power, charge_power=charge_power)
    efficiencies = {"charge": made.charge_efficiency, "discharge": made.discharge_efficiency}
    price = marginal_intensity(0.0, shunted=0.0, discharging=1.0, **efficiencies)
    facts = {
        "metal": metal, "energies": energies, "oxygen_energy_eV": cells.oxygen_energy,
        "hydrogen_energy_eV": cells.hydrogen_energy, "oxygen_overpotential_V": oxygen_overpotential(cells.oxygen_energy),
        "intensity_through_store": price,
    }  # fmt: skip
    section = to_mapping(made)
    console.result({**facts, "battery": section, "fuel_cell": to_mapping(cells)}, as_yaml(facts, section))


def shifts(metal: str, energies: str, seed: int, console: Any) -> dict[str, float]:
    """How much weaker a metal binds O and H than platinum [eV]."""
    if energies == "literature" or metal == "Pt":
        return {"O": 0.0, "H": 0.0}
    from rover_energy.inference.tasks.adsorption import beyond_platinum, binding_energy

    energy: Callable[[int], float] = binding_energy
    if energies == "surrogate":
        from functools import partial

        from rover_energy.inference.learning.adsorption import binding_energy as guessed
        from rover_energy.inference.learning.adsorption import of_all_pairs

        with console.progress(1) as step:
            step("training on the toy potential")
            energy = partial(guessed, of_all_pairs(seed))
    return {adsorbate: beyond_platinum(metal, adsorbate, energy) for adsorbate in ("O", "H")}


def as_yaml(facts: dict[str, Any], section: dict[str, Any]) -> str:
    """The section with what it was made of as remarks."""
    import yaml

    remarks = [f"# {name}: {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in facts.items()]
    body = yaml.safe_dump({"battery": section}, sort_keys=False)
    return "\n".join(("# regenerative fuel cell, efficiencies at rated power", *remarks, body.rstrip()))
