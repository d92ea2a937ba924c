"""Model cards: what a variant is, how good, what it costs, where it must not be trusted, and how to make it again."""

from __future__ import annotations

from rover_energy.inference.energy import Provenance
from rover_energy.inference.variant import Variant

LICENCE = "Apache-2.0, like the project; the data are generated and carry no rights of others"
#: task: (data, limits)
TASKS: dict[str, tuple[str, str]] = {
    "terrain_class": (
        "generated patches of 16 x 16 cells, height and shade, six classes (plain, slope, crater, boulders, ripples, scarp), "
        "with sensor noise; training, calibration and test patches have random numbers of their own",
        "trained and tested on generated ground only: on real ground its quality is not known; the shade is the slope towards "
        "the Sun, no camera image",
    ),
    "energy_map": ("generated terrain with patches of soft soil, and an image of it", "other soils, light and images"),
    "wheel_forces": ("wheels on generated ground, labelled by the project's own contact model", "real soil and other wheels"),
    "telemetry_anomaly": ("generated telemetry with labelled faults", "faults of other kinds than the generated ones"),
    "log_query": ("generated logs of drives with questions whose answers are known", "questions of other kinds"),
    "terrain_class_training": ("labels or teachers' answers for patches of the place", "the price is a declared one"),
}  # fmt: skip
UNKNOWN = ("see the source below", "not stated")
MEANING = {
    Provenance.CPU_TIME_MODEL: "processor time on the machine that built it times a declared power; not measured by a sensor",
    Provenance.OPERATION_COUNT: "counted operations times published energies of hardware that is not here",
    Provenance.MEASURED: "measured by a sensor",
}


def card(variant: Variant) -> str:
    """One variant in Markdown."""
    v = variant
    data, limits = TASKS.get(v.task, UNKNOWN)
    joules = f"{v.energy:.4g} J median, {v.energy_high:.4g} J in 95 % of the runs" if v.priced else "unmetered: never chosen"
    shared = f", in runs of {v.batch}, of which {v.fixed_share:.0%} whatever the amount" if v.fixed_share else ""
    origin = MEANING.get(v.provenance, v.energy_provenance.replace("_", " "))
    kind = f"{v.family.replace('_', ' ')}, {v.precision}"
    if v.tier:
        kind += f", tier {v.tier}"
    if v.time_steps:
        kind += f", {v.time_steps} time steps"
    runs = f"`{v.artefact}` (sha256 `{v.checksum}`)" if v.artefact else "none: it does not run here, or needs no weights"
    interval = f"95 % interval {v.quality_low:.4f} to {v.quality_high:.4f}"
    rows = (
        ("task", v.task + (": the floor, which may always run" if v.floor else "")),
        ("kind", kind),
        ("data", data),
        ("quality", f"{v.metric} {v.quality:.4f}, {interval}, on data not trained with"),
        ("energy per unit", f"{joules}{shared}; {origin}" + (f" ({v.energy_detail})" if v.energy_detail else "")),
        ("peak power", f"{v.peak_power:.4g} W"),
        ("latency", f"{v.latency:.4g} s for {v.batch} together, 95 % of the runs"),
        ("size", f"{v.size} bytes" if v.size else "no weights"),
        ("operations per unit", f"{v.operations:.4g}" if v.operations else "not counted"),
        ("artefact", runs),
        ("limits", limits),
        ("licence", LICENCE),
        ("made by", v.source or "unknown"),
    )
    table = "\n".join(f"| {name} | {text} |" for name, text in rows)
    return f"# {v.name}\n\n| | |\n| --- | --- |\n{table}\n"
