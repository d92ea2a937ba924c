"""Electrical demand of driving: rolling, grade, acceleration, turning, slip and drivetrain losses."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.parameters import Parameters, group, parameter


@dataclass(frozen=True)
class ResistanceParameters(Parameters):
    """Resistance force of the ground at zero grade, F_res(v) [N]."""

    model: str = parameter(
        "polynomial", choices=("polynomial", "bekker"),
        description="'polynomial': c0 + c1 v + c2 v^2; 'bekker': wheel-soil mechanics, plus c1 v + c2 v^2",
    )  # fmt: skip
    c0: float = parameter(80.0, unit="N", minimum=0.0, description="constant part (unused with 'bekker')")
    c1: float = parameter(0.0, unit="N s/m", minimum=0.0, description="part linear in speed")
    c2: float = parameter(0.0, unit="N s2/m2", minimum=0.0, description="part quadratic in speed")


@dataclass(frozen=True)
class SlipParameters(Parameters):
    """Wheel slip against the grade: maximum / (1 + (maximum/flat - 1) exp(-gain tan phi)), a bounded log-linear law."""

    flat: float = parameter(0.05, minimum=0.0, maximum=0.5, description="slip on level ground; 0 switches slip off")
    maximum: float = parameter(0.80, minimum=0.01, maximum=0.95, description="slip approached on the steepest climb")
    gain: float = parameter(
        10.0, minimum=0.0, maximum=100.0, description="growth of the logarithm of slip with tan(along_slope)",
        source="chosen so that slip is 0.40 at 15 deg: VIPER design maximum, 10.3847/PSJ/add13f",
    )  # fmt: skip


@dataclass(frozen=True)
class LocomotionParameters(Parameters):
    """Constants of the mobility system."""

    mass: float = parameter(200.0, unit="kg", minimum=0.1, description="rover mass")
    yaw_inertia: float = parameter(30.0, unit="kg m2", minimum=0.0, description="moment of inertia about body z")
    resistance: ResistanceParameters = group(ResistanceParameters, "ground resistance")
    turn_moment: float = parameter(
        40.0, unit="N m", minimum=0.0, description="steady scrubbing moment while turning, M_turn",
        source="Wong, mu_t W L / 4 with mu_t 0.5, W 324 N, L 1 m",
    )  # fmt: skip
    slip: SlipParameters = group(SlipParameters, "wheel slip")
    drivetrain_efficiency: float = parameter(
        0.60, minimum=0.01, maximum=1.0, description="bus to wheel: motor, gear and driver",
    )  # fmt: skip
