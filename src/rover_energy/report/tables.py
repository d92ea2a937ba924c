"""Tables of the page: certificate, energy, parameters, facts about the plan and its solver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from rover_energy.parameters import Parameters, describe, to_mapping
from rover_energy.report.chart import css
from rover_energy.report.columns import Columns, energy_account
from rover_energy.report.numbers import NOTHING, energy, finite, fixed, pretty_unit, quantity, significant, watt_hours
from rover_energy.report.palette import LOADS, QUANTITIES

#: columns of the certificate table: key in a check, heading
CHECK_COLUMNS = (
    ("worst_value", "Worst"), ("limit", "Limit"), ("margin", "Margin"), ("between_samples_bound", "Between samples"),
    ("at_time", "At"),
)  # fmt: skip


def words(name: str) -> str:
    """`least_power_margin` as `Least power margin`."""
    text = str(name).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def verdict_mark(passed: Any, margin: Any = None) -> str:
    """Sign and word for a check: never colour alone. Anything but a true `passed` counts as failed.

    A check may pass with its limit exceeded by less than a tolerance; that is said.
    """
    if not passed_flag(passed):
        return '<span class="fail">\u2715 failed</span>'
    least = finite(margin)
    return f'<span class="pass">\u2713 passed{", in tolerance" if least is not None and least < 0.0 else ""}</span>'


def passed_flag(value: Any) -> bool:
    """True only for a boolean true (numpy's included)."""
    return type(value).__name__ in ("bool", "bool_") and bool(value)


def certificate_table(certificate: Mapping[str, Any]) -> str:
    """All checks with their worst value, limit, margin, bound between samples and time."""
    head = "".join(f'<th scope="col" class="number">{title}</th>' for _, title in CHECK_COLUMNS)
    rows = "".join(_check_row(check) for check in certificate.get("checks") or ())
    if not rows:
        rows = f'<tr><td colspan="{len(CHECK_COLUMNS) + 2}">The certificate lists no checks.</td></tr>'
    head = f'<tr><th scope="col">Check</th>{head}<th scope="col">Verdict</th></tr>'
    return (
        f'<div class="scroll"><table class="checks"><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table></div>{_other_facts(certificate)}"
    )


def _check_row(check: Mapping[str, Any]) -> str:
    unit = str(check.get("unit", ""))
    cells = []
    for key, title in CHECK_COLUMNS:
        text = quantity(check.get(key), "s" if key == "at_time" else unit, 5)
        cells.append(f'<td class="number" data-label="{title}">{escape(text)}</td>')
    mark = verdict_mark(check.get("passed"), check.get("margin"))
    name = escape(words(check.get("name", "?")))
    return f'<tr><th scope="row">{name}</th>{"".join(cells)}<td data-label="Verdict">{mark}</td></tr>'


def _other_facts(certificate: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in certificate.items() if key not in ("checks", "passed")}
    return facts(rest)


def facts(mapping: Mapping[str, Any]) -> str:
    """Name and value pairs; nested mappings are flattened, long lists counted."""
    pairs = "".join(f"<div><dt>{escape(words(key))}</dt><dd>{value}</dd></div>" for key, value in flatten(mapping))
    return f'<dl class="facts">{pairs}</dl>' if pairs else ""


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotless names and escaped values of a nested mapping."""
    for key, value in mapping.items():
        name = prefix if key == prefix else f"{prefix} {key}".strip()
        if isinstance(value, Mapping):
            yield from flatten(value, name)
        else:
            yield name, plain(value, unit_of(str(key)) or unit_of(prefix))


#: endings of names and the units that the package's vocabulary gives them
UNITS = (
    ("power", "W"), ("power_margin", "W"), ("power_bound", "W"), ("battery_margin", "J"), ("energy", "J"), ("time", "s"),
    ("seconds", "s"), ("step", "s"), ("duration", "s"), ("distance", "m"), ("length", "m"),
)  # fmt: skip


def unit_of(name: str) -> str:
    """Unit of a fact by the ending of its name; empty where the name does not tell."""
    name = name.replace(" ", "_")
    return next((unit for ending, unit in UNITS if name == ending or name.endswith("_" + ending)), "")


def plain(value: Any, unit: str = "") -> str:
    """Any value as escaped text: numbers with five significant digits, lists of up to six items in full."""
    if value is None:
        return NOTHING
    if type(value).__name__ in ("bool", "bool_"):
        return "yes" if value else "no"
    if finite(value) is not None:
        if unit == "J":
            return energy(value)
        return (
            escape(str(value))
            if isinstance(value, int) and not isinstance(value, bool) and not unit
            else quantity(value, unit, 5)
        )
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value) if len(value) <= 6 else f"{len(value)} entries"
    return escape(str(value))


def energy_bars(columns: Columns) -> str:
    """Where the energy came from and where it went: two bars of equal scale, with their entries."""
    account = energy_account(columns)
    income = [(name, QUANTITIES[name].label, account[name]) for name in ("rtg_power", "pv_power")]
    income.append(("battery_power", "Battery, discharged", account["discharged"]))
    outgo = [(name, QUANTITIES[name].label, account[name]) for name in LOADS]
    outgo += [
        ("battery_power", "Battery, charged", account["charged"]),
        ("hair", "Surplus, shunted", max(account["surplus"], 0.0)),
    ]
    scale = max(_sum(income), _sum(outgo), 1e-12)
    return f'<div class="energy">{_bar("Supplied", income, scale)}{_bar("Taken", outgo, scale)}</div>'


def _sum(entries: list[tuple[str, str, float]]) -> float:
    return sum(value for _, _, value in entries if finite(value) is not None)


def _bar(title: str, entries: list[tuple[str, str, float]], scale: float) -> str:
    total = _sum(entries)
    pieces, rows = [], []
    for name, label, joules in entries:
        number = finite(joules)
        if number == 0.0:
            continue
        faint = " faint" if label == "Battery, charged" else ""
        pieces.append(
            f'<i class="{faint.strip()}" style="width:{100.0 * (number or 0.0) / scale:.3f}%;--c:var(--{css(name)})"></i>'
        )
        share = f"{fixed(100.0 * number / total)}\u00a0%" if number is not None and total > 0.0 else NOTHING
        rows.append(
            f'<tr><th scope="row"><i class="box{faint}" style="--c:var(--{css(name)})"></i>{escape(label)}</th>'
            f'<td class="number">{energy(joules)}</td><td class="number">{share}</td></tr>'
        )
    return (
        f'<div><h3>{title} <span>{energy(total)}, {watt_hours(total)}</span></h3><div class="bar">{"".join(pieces)}</div>'
        f'<table class="plain">{"".join(rows)}</table></div>'
    )


def parameter_tables(group: Parameters, title: str) -> str:
    """Every parameter of a group with its value, unit, meaning and source, one table per subgroup, folded."""
    data = to_mapping(group)
    sections: dict[str, list[str]] = {}
    for row in describe(type(group)):
        parts = row["name"].split(".")
        value: Any = data
        for part in parts:
            value = value[part]
        sections.setdefault(".".join(parts[:-1]), []).append(_parameter_row(parts[-1], value, row))
    titles = {name: escape(words(name.replace(".", ", ")) or "General") for name in sections}
    tables = "".join(
        f'<tbody><tr class="group"><th colspan="4" scope="rowgroup">{titles[name]}</th></tr>{"".join(rows)}</tbody>'
        for name, rows in sections.items()
    )
    count = sum(len(rows) for rows in sections.values())
    names = (("Name", ""), ("Value", ' class="number"'), ("Unit", ""), ("Meaning", ""))
    head = "".join(f'<th scope="col"{more}>{text}</th>' for text, more in names)
    return (
        f"<details><summary>{escape(title)} <span>{count} parameters</span></summary>"
        f'<div class="scroll"><table class="parameters"><thead><tr>{head}</tr></thead>{tables}</table></div></details>'
    )


def _parameter_row(name: str, value: Any, row: Mapping[str, Any]) -> str:
    source = f"<small>{escape(row['source'])}</small>" if row.get("source") else ""
    number = finite(value)
    shown = significant(number, 6) if number is not None and not isinstance(value, bool) else plain(value)
    return (
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td class="number">{shown}</td>'
        f"<td>{escape(pretty_unit(row.get('unit', '-')))}</td><td>{escape(row.get('description', ''))}{source}</td></tr>"
    )
