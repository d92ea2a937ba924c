"""Numbers as people read them: significant digits, an unbreakable space before the unit, a true minus sign."""

from __future__ import annotations

import math
from typing import Any

SPACE = "\u00a0"
MINUS = "\u2212"
NOTHING = "\u2014"


def finite(value: Any) -> float | None:
    """The value as a float, or None where there is no finite number (missing, text, NaN, infinite)."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def significant(value: Any, digits: int = 4) -> str:
    """A number with so many significant digits and no exponent between 1e-4 and 1e7; a dash where there is none."""
    number = finite(value)
    if number is None:
        return NOTHING
    if number == 0.0:
        return "0"
    if not 1e-4 <= abs(number) < 1e7:
        mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", MINUS)


def fixed(value: Any, decimals: int = 1) -> str:
    """A number with so many decimals, so that a changing value keeps its width; a dash where there is none."""
    number = finite(value)
    if number is None:
        return NOTHING
    text = f"{number:.{decimals}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def pretty_unit(unit: str) -> str:
    """`m/s2` as m/s², `kg m2` as kg m², `1/m` as m⁻¹, `-` as nothing."""
    if unit in ("-", ""):
        return ""
    for power, sign in (("2", "²"), ("3", "³")):
        unit = unit.replace(power, sign)
    return unit[2:] + "⁻¹" if unit.startswith("1/") else unit


def quantity(value: Any, unit: str = "", digits: int = 4) -> str:
    """Number and unit, e.g. `187.4 W`; percent and degree signs as usual."""
    text, shown = significant(value, digits), pretty_unit(unit)
    if text == NOTHING or not shown:
        return text
    return join(text, shown)


def join(text: str, unit: str) -> str:
    """Text and unit with an unbreakable space between them, which the degree sign does not take."""
    return text + ("" if unit in ("", "°") else SPACE) + unit


def energy(joules: Any, digits: int = 4) -> str:
    """Energy in J, kJ or MJ, whichever reads best."""
    number = finite(joules)
    if number is None:
        return NOTHING
    for scale, unit in ((1e6, "MJ"), (1e3, "kJ")):
        if abs(number) >= scale:
            return quantity(number / scale, unit, digits)
    return quantity(number, "J", digits)


def watt_hours(joules: Any) -> str:
    """Energy in Wh."""
    number = finite(joules)
    return NOTHING if number is None else quantity(number / 3600.0, "Wh", 3)


def duration(seconds: Any) -> str:
    """Time as `48.2 s`, `6 min 12 s` or `1 h 04 min`."""
    number = finite(seconds)
    if number is None:
        return NOTHING
    if number < 60.0:
        return quantity(number, "s", 3)
    if number < 3600.0:
        return _two_parts(round(number), "min", "s")
    return _two_parts(round(number / 60.0), "h", "min")


def _two_parts(count: int, large: str, small: str) -> str:
    whole, rest = divmod(count, 60)
    if whole == 60 and large == "min":
        whole, large = 1, "h"
    first = f"{whole}{SPACE}{large}"
    return f"{first} {rest:02d}{SPACE}{small}" if rest else first


def time_axis(span: float) -> tuple[float, str]:
    """Divisor and unit in which a time axis of `span` seconds is labelled."""
    if span <= 600.0:
        return 1.0, "s"
    return (60.0, "min") if span <= 10800.0 else (3600.0, "h")


def nice_step(span: float, count: int, sixty: bool = False) -> float:
    """A step of 1, 2 or 5 times a power of ten (for minutes and seconds also 15 and 30) that cuts `span` into about `count`."""
    if not span > 0.0:
        return 1.0
    raw = span / max(count, 1)
    if sixty and 10.0 < raw <= 30.0:
        return 15.0 if raw <= 15.0 else 30.0 if raw <= 30.0 else 60.0
    if sixty and 30.0 < raw <= 60.0:
        return 60.0
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next((m * magnitude for m in (1.0, 2.0, 5.0) if m * magnitude >= raw * 0.999), 10.0 * magnitude)


def ticks(low: float, high: float, count: int = 4, sixty: bool = False) -> list[float]:
    """Round numbers inside [low, high]."""
    step = nice_step(high - low, count, sixty)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step + 0.0 for k in range(first, last + 1)]
