"""The head of the page: one sentence, the verdict, and the figures that matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from rover_energy.mission import MissionParameters
from rover_energy.report.columns import Columns, energy_account, travelled
from rover_energy.report.limits import LimitUse, has_battery
from rover_energy.report.numbers import SPACE, duration, energy, finite, quantity, significant, watt_hours
from rover_energy.report.tables import passed_flag, words
from rover_energy.rover import RoverParameters

#: least margins of profile and certificate may differ by this part (of at least 1 W): they are sampled at different instants
AGREEMENT = 0.02
#: a limit that binds for less than this part of the time is not what holds the rover back
WORTH_SAYING = 0.1
#: demand without a source below this [W] is rounding
UNSERVED = 1e-6


@dataclass(frozen=True)
class Figure:
    """One headline figure: what it is, the number, and what it should be compared with."""

    name: str
    label: str
    value: str
    note: str
    gauge: float | None = None
    mark: float | None = None


def headline_figures(
    columns: Columns, certificate: Mapping[str, Any], rover: RoverParameters, mission: MissionParameters
) -> list[Figure]:
    """Time, distance, peak power, least margin, energy and the battery at the end."""
    t, total, available, margin = columns.t, columns["total_power"], columns["available_power"], columns["margin"]
    way, account = travelled(columns), energy_account(columns)
    figures = [
        Figure("time", "Time", duration(columns.duration), _deadline(columns.duration, mission)),
        Figure("distance", "Distance", quantity(way, "m"), f"{quantity(way / columns.duration, 'm/s', 3)} on average"),
    ]
    if np.any(np.isfinite(total)):
        peak = int(np.nanargmax(total))
        limit = finite(available[peak])
        gauge = float(total[peak]) / limit if limit else None
        note = f"of {quantity(available[peak], 'W')} available then"
        figures.append(Figure("peak", "Peak power", quantity(total[peak], "W"), note, gauge))
    if np.any(np.isfinite(margin)):
        least = int(np.nanargmin(margin))
        stated = finite(certificate.get("least_power_margin"))
        value = float(margin[least]) if stated is None else min(stated, float(margin[least]))
        figures.append(
            Figure(
                "margin", "Least power margin", quantity(value, "W", 3), f"near {quantity(t[least], 's')}{_between(certificate)}"
            )
        )
    budget = (
        f"of {energy(mission.energy_budget)} budget" if mission.energy_budget is not None else watt_hours(account["total_power"])
    )
    figures.append(Figure("energy", "Energy used", energy(account["total_power"]), budget))
    figures.append(_battery(columns, rover))
    return figures


def _between(certificate: Mapping[str, Any]) -> str:
    """How much less the power margin may be between samples, if the certificate says so."""
    checks = certificate.get("checks") or ()
    bound = next((finite(c.get("between_samples_bound")) for c in checks if c.get("name") in ("power", "total_power")), None)
    return "" if bound is None else f"; at most {quantity(bound, 'W', 2)} less between samples"


def _deadline(seconds: float, mission: MissionParameters) -> str:
    if mission.deadline is None:
        return quantity(seconds, "s", 5)
    return f"of {duration(mission.deadline)} until the deadline"


def _battery(columns: Columns, rover: RoverParameters) -> Figure:
    charge = columns["state_of_charge"] if "state_of_charge" in columns else np.full(1, np.nan)
    if not has_battery(columns, rover) or finite(charge[-1]) is None:
        return Figure("battery", "Battery", "none", "")
    note = f"from {quantity(100.0 * charge[0], '%', 3)}, floor {quantity(100.0 * rover.battery.floor, '%', 3)}"
    return Figure(
        "battery", "Battery at the end", quantity(100.0 * charge[-1], "%", 3), note, float(charge[-1]), rover.battery.floor
    )


def figure_html(figure: Figure) -> str:
    """A headline figure, with a thin gauge where it has a scale."""
    value, _, unit = figure.value.rpartition(SPACE)
    simple = value and " " not in figure.value
    number = f"{value}<small>{SPACE}{unit}</small>" if simple else figure.value
    return (
        f'<div class="figure" data-figure="{figure.name}"><dt>{escape(figure.label)}</dt><dd>{number}</dd>'
        f"<p>{escape(figure.note)}</p>{_gauge(figure)}</div>"
    )


def _gauge(figure: Figure) -> str:
    """A thin bar filled to `gauge`, in the colour of limits when beyond its end, with a tick at `mark`."""
    if figure.gauge is None:
        return ""
    width, over = 100.0 * min(max(figure.gauge, 0.0), 1.0), " over" if figure.gauge > 1.0 else ""
    mark = "" if figure.mark is None else f'<b style="left:{100.0 * figure.mark:.1f}%"></b>'
    return f'<div class="gauge{over}" aria-hidden="true"><i style="width:{width:.1f}%"></i>{mark}</div>'


def verdict_html(certificate: Mapping[str, Any]) -> str:
    """The certificate's verdict in words; failed checks are named."""
    checks = list(certificate.get("checks") or ())
    failed = [words(check.get("name", "?")) for check in checks if not passed_flag(check.get("passed"))]
    good = passed_flag(certificate.get("passed")) and not failed
    step, samples = finite(certificate.get("step")), certificate.get("samples")
    how = f", sampled every {significant(1e3 * step, 3)}\u00a0ms" if step is not None else ""
    how += f" ({samples} samples)" if samples is not None else ""
    if good:
        text = f"<b>\u2713 Certificate passed.</b> All {len(checks)} checks hold{how}."
    elif failed:
        text = f"<b>\u2715 Certificate failed.</b> {len(failed)} of {len(checks)} checks do not hold{how}: "
        text += f"{escape(', '.join(failed))}."
    else:
        text = "<b>\u2715 Certificate failed.</b> It is missing or not marked as passed."
    return f'<p class="verdict {"good" if good else "bad"}" role="status">{text}</p>'


def contradictions(columns: Columns, certificate: Mapping[str, Any]) -> list[str]:
    """What the profile shows against its certificate, or against the bus: a report must hide neither side."""
    margin, found = columns["margin"], []
    if passed_flag(certificate.get("passed")) and np.any(margin < 0.0):
        worst = int(np.nanargmin(margin))
        excess, when = quantity(-margin[worst], "W", 3), quantity(columns.t[worst], "s")
        found.append(
            f"The profile passes the available power by {excess} at {when}, although the certificate says passed; "
            "do not drive this plan before that is explained."
        )
    if "unserved_power" in columns and np.any(columns["unserved_power"] > UNSERVED):
        most = int(np.nanargmax(columns["unserved_power"]))
        lack, when = quantity(columns["unserved_power"][most], "W", 3), quantity(columns.t[most], "s")
        found.append(f"Loads of up to {lack}, at {when}, are met by no source.")
    stated = finite(certificate.get("least_power_margin"))
    if (
        stated is not None
        and np.any(np.isfinite(margin))
        and float(np.nanmin(margin)) < stated - AGREEMENT * max(1.0, abs(stated))
    ):
        found.append(f"The certificate states a least power margin of {quantity(stated, 'W', 3)}, "
                     f"the profile shows {quantity(np.nanmin(margin), 'W', 3)}.")  # fmt: skip
    return found


def lead(columns: Columns, rover: RoverParameters, uses: list[LimitUse], terrain_name: str) -> str:
    """One sentence on the traverse and what holds it back."""
    text = f"{rover.name} drives {quantity(travelled(columns), 'm', 3)} over {terrain_name} in {duration(columns.duration)}."
    first = max(uses, key=lambda use: use.share)
    if first.share >= WORTH_SAYING:
        share = quantity(round(100.0 * first.share), "%")
        text += f" What holds it back most is {first.label.lower()}, at its limit for {share} of the time."
    return escape(text)
