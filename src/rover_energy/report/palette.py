"""Names, display units and colours of every quantity: one choice, used by the page, the figures and the tables.

The hues are those of Okabe and Ito (Color Universal Design, 2008), which stay apart for the common kinds of colour
blindness; on dark ground they are lightened. Colour never carries a meaning alone: every chart also has a legend, and
limits are told apart by their row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DEGREES = 180.0 / math.pi


@dataclass(frozen=True)
class Quantity:
    """How one column of a profile is shown: `shown = scale * value` in `unit`."""

    label: str
    unit: str
    scale: float = 1.0


QUANTITIES: dict[str, Quantity] = {
    "t": Quantity("Time", "s"),
    "x": Quantity("East", "m"),
    "y": Quantity("North", "m"),
    "heading": Quantity("Heading", "°", DEGREES),
    "speed": Quantity("Speed", "m/s"),
    "acceleration": Quantity("Acceleration", "m/s²"),
    "yaw_rate": Quantity("Yaw rate", "°/s", DEGREES),
    "along_slope": Quantity("Slope along heading", "°", DEGREES),
    "tilt": Quantity("Tilt", "°", DEGREES),
    "rtg_power": Quantity("RTG", "W"),
    "pv_power": Quantity("Solar array", "W"),
    "battery_power": Quantity("Battery", "W"),
    "base_power": Quantity("Base", "W"),
    "drive_power": Quantity("Driving", "W"),
    "turn_power": Quantity("Turning", "W"),
    "inference_power": Quantity("Inference", "W"),
    "total_power": Quantity("Total load", "W"),
    "available_power": Quantity("Available", "W"),
    "battery_energy": Quantity("Stored energy", "kJ", 1e-3),
    "state_of_charge": Quantity("State of charge", "%", 100.0),
    "sunlit": Quantity("Sunlit fraction", "%", 100.0),
    "shunted_power": Quantity("Shunted", "W"),
    "unserved_power": Quantity("Unserved", "W"),
    "margin": Quantity("Power margin", "W"),
    "height": Quantity("Ground height", "m"),
}

LOADS = ("base_power", "inference_power", "drive_power", "turn_power")
SOURCES = ("rtg_power", "pv_power", "battery_power")

#: name -> (on light ground, on dark ground)
COLOURS: dict[str, tuple[str, str]] = {
    "base_power": ("#8b93a1", "#7d8697"),
    "inference_power": ("#cc79a7", "#d98fb8"),
    "drive_power": ("#0072b2", "#3b9bdc"),
    "turn_power": ("#56b4e9", "#9bd4f5"),
    "rtg_power": ("#d55e00", "#ee7a2e"),
    "pv_power": ("#e69f00", "#f2b632"),
    "battery_power": ("#009e73", "#2cbf95"),
    "available_power": ("#14171c", "#f3f4f6"),
    "total_power": ("#14171c", "#f3f4f6"),
    "motion": ("#3d4f6b", "#a9bddb"),
    "second": ("#a06a00", "#e3b761"),
    "limit": ("#b3261e", "#ff8a7a"),
    "good": ("#00734f", "#4fd1a5"),
}

#: ground, ink and lines of the page: name -> (light, dark)
SURFACES: dict[str, tuple[str, str]] = {
    "ground": ("#fbfbf9", "#0f1216"),
    "panel": ("#ffffff", "#161a20"),
    "ink": ("#14171c", "#eef0f3"),
    "soft": ("#565d69", "#a7aeba"),
    "hair": ("#e3e4e1", "#2a3038"),
    "grid": ("#ecedea", "#232932"),
}


def colour(name: str, dark: bool = False) -> str:
    """Hexadecimal colour of a quantity or surface."""
    pair = COLOURS.get(name) or SURFACES.get(name) or COLOURS["motion"]
    return pair[1] if dark else pair[0]


def css_variables(dark: bool) -> str:
    """The palette as CSS custom properties, e.g. `--drive-power: #0072b2;`."""
    pairs = {**SURFACES, **COLOURS}
    return " ".join(f"--{name.replace('_', '-')}: {pair[1 if dark else 0]};" for name, pair in pairs.items())
