"""What an audit says: the accounts of a run as plain data, judged, with every fault named in one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rover_energy.telemetry.motion_account import model_residual
from rover_energy.telemetry.power_account import Check, PowerAccount
from rover_energy.telemetry.run_accounts import Battery, Joints, Motion, PowerStates, Scalar
from rover_energy.telemetry.traces import Trace

if TYPE_CHECKING:
    from rover_energy.telemetry.run_audit import RunAudit

VERSION = 1
CLOSURE = 1e-6  # of the ledger, of what was generated
CHARGE = 0.02  # of the energy that went through the battery, by which measured and integrated charge may differ
AGREEMENT = 0.05  # by which two meters of one power may differ
OFFSET = 2.0  # [W] likewise
MODEL = 0.10  # by which a load may differ from its model before it is called a fault
SLACK = 1e-9


def findings(run: RunAudit) -> dict[str, Any]:
    """Everything about a run. Times [s] from the beginning of the bag, powers [W], energies [J]."""
    main = Main(run)
    result: dict[str, Any] = {
        "version": VERSION, "bag": _bag(run), "roles": _roles(run, main), "energy": main.energy(),
        "compliance": main.compliance(),
        "battery": _battery(run, main), "model": _model(run), "meters": _meters(run), "motion": _motion(run),
        "inference": run.inference.to_mapping(),
        "events": sorted(run.shared.events, key=lambda e: e["time"]), "more_events": run.shared.more_events,
        "topics": [h.to_mapping(run.end) for _, h in sorted(run.health.items())], "loss": run.bag.loss.to_mapping(),
        "remarks": list(dict.fromkeys([*run.bag.remarks, *_guesses(run)])),
    }  # fmt: skip
    result["faults"] = faults(result)
    result["series"] = _series(run)
    return result


class Main:
    """The power stream that stands for the run: PowerState, else BatteryState, else volts times amperes, else a power topic."""

    def __init__(self, run: RunAudit) -> None:
        self.run = run
        self.account, self.topic, self.kind = PowerAccount(), "", "none"
        self.part: Any = None
        for kind, parts in (
            ("bus", [p for p in run.parts.values() if isinstance(p, PowerStates) and p.main]),
            ("meter", [p for p in run.parts.values() if isinstance(p, PowerStates)]),
            ("battery", [p for p in run.parts.values() if isinstance(p, Battery) and p.account.windows]),
            ("number", [p for p in run.parts.values() if isinstance(p, Scalar) and p.source.role == "power"]),
        ):
            if kind == "number" and run.pair.windows:
                self.account, self.topic, self.kind = run.pair, "voltage and current", "volts times amperes"
                return
            if parts:
                self.part = max(parts, key=lambda p: (p.source.how == "map", p.account.windows))
                self.account, self.topic, self.kind = self.part.account, self.part.source.topic, kind
                return

    def energy(self) -> dict[str, Any]:
        """The ledger: where every joule came from and went to."""
        a = self.account
        e, seen = a.energy, getattr(self.part, "provenance", {})
        consumed, shunted = e.get("total_power", 0.0), e.get("shunt_power", 0.0)
        generated = sum(e.get(name, 0.0) for name in ("rtg_power", "pv_power"))
        given, taken = e.get("battery_discharged", 0.0), e.get("battery_charged", 0.0)
        stored = a.store[1] - a.store[0] if a.store else None
        unexplained = generated + given - taken - consumed - shunted - a.unmetered
        whole = self.kind == "bus"
        return {
            "from": self.topic, "kind": self.kind, "seconds": a.seconds,
            "generated_J": generated if whole else None, "consumed_J": e.get("total_power"),
            "shunted_J": shunted if whole else None,
            "discharged_J": given, "charged_J": taken, "stored_J": stored,
            "lost_J": taken - given - stored if whole and stored is not None else None,
            "unmetered_J": a.unmetered if whole else None, "unexplained_J": unexplained if whole else None,
            "closure": abs(unexplained) / max(generated, consumed, SLACK) if whole else None,
            "worst_balance_W": a.balance.to_mapping(), "worst_residual_W": a.residual.to_mapping(),
            "sources": [self._row(name, name.removesuffix("_power"), seen) for name in ("rtg_power", "pv_power") if name in e],
            "loads": [self._row(name, f"load {name[5:]}", seen) | {"name": name[5:], "counter_J": self._counter(name[5:])}
                      for name in e if name.startswith("load.")],
        }  # fmt: skip

    def _row(self, name: str, origin: str, seen: dict[str, str]) -> dict[str, Any]:
        a = self.account
        peak = a.peaks[name]
        return {"name": name.removesuffix("_power"), "energy_J": a.energy[name], "peak_W": peak.value, "peak_time": peak.time,
                "mean_W": a.energy[name] / a.seconds if a.seconds > 0.0 else None,
                "provenance": seen.get(origin, "not stated")}  # fmt: skip

    def _counter(self, name: str) -> float | None:
        return self.account.counters[name][1] if name in self.account.counters else None

    def compliance(self) -> dict[str, Any]:
        """Every window against what the bus could give in it, and the other limits of the run."""
        a = self.account
        checks = [check for check in self._checks() if check.judged]
        bad = a.missing + a.unusable + a.disordered
        judged = a.power.judged > 0
        kept = all(check.violations == 0 for check in checks if check.name in HARD)
        peak = a.peaks.get("total_power")
        return {
            "windows": a.windows, "window_s": a.usual, "missing": a.missing, "unusable": a.unusable, "disordered": a.disordered,
            "gap_s": a.gap_seconds, "gap_energy_estimate_J": a.gap_energy, "over": a.power.violations,
            "seconds_over": a.power.seconds, "joules_over": a.power.excess,
            "peak_W": peak.value if peak else None, "peak_time": peak.time if peak else None,
            "least_margin_W": a.power.worst.value, "least_margin_time": a.power.worst.time,
            "checks": [check.to_mapping() for check in checks],
            "passed": None if not judged else bool(kept and bad == 0),
            "limits_kept": None if not checks else bool(kept),
        }  # fmt: skip

    def _checks(self) -> list[Check]:
        a = self.account
        own = [a.power, a.discharge, a.charging, a.reserve]
        own += [p.reserve for p in self.run.parts.values() if isinstance(p, Battery)]
        return own + [c for p in self.run.parts.values() if isinstance(p, Motion) for c in p.account.checks]


#: limits whose breach makes a run fail; those of motion are told, but a rover on rough ground may pass them for a moment
HARD = ("power", "battery discharge", "battery charge", "battery floor", "state of charge floor")


def _bag(run: RunAudit) -> dict[str, Any]:
    bag = run.bag
    return {
        "name": _name(bag.path.resolve()), "storage": bag.storage,
        "files": [file.name for file in bag.files], "bytes": sum(file.stat().st_size for file in bag.files),
        "messages": bag.messages, "chunks": bag.chunks, "start_ns": run.zero, "duration": run.end,
        "rover": run.rover.name if run.rover is not None else None,
    }  # fmt: skip


def _name(path: Path) -> str:
    """Of the bag; one that is only called "bag" is known by its folder."""
    return f"{path.parent.name}/{path.name}" if path.stem == "bag" and path.parent.name else path.name


def _roles(run: RunAudit, main: Main) -> list[dict[str, Any]]:
    return [
        {"topic": name, "type": run.health[name].type, "role": source.role, "how": source.how,
         "field": source.field if source.role in ("voltage", "current", "power") or source.role.startswith("load ") else None,
         "stamps": "recording" if stream is not None and stream.why_recorded else "message", "main": name == main.topic}
        for name, source in sorted(run.sources.items()) for stream in [run.streams[name]]
    ]  # fmt: skip


def _guesses(run: RunAudit) -> list[str]:
    said = [
        f"{name} is taken for the {source.role} by its {'name' if source.role in ('voltage', 'current', 'power') else 'type'}: "
        "a guess; name it in a mapping file to be sure"
        for name, source in sorted(run.sources.items()) if source.how == "guess"
    ]  # fmt: skip
    said += [f"{name} is timed by its recording, because {stream.why_recorded}" for name, stream in sorted(run.streams.items())
             if stream is not None and stream.why_recorded and run.parts.get(name) is not None]  # fmt: skip
    return said


def _battery(run: RunAudit, main: Main) -> dict[str, Any]:
    a, rover = main.account, run.rover
    found: dict[str, Any] = {"packs": [_pack(p) for p in run.parts.values() if isinstance(p, Battery)]}
    if not a.store:
        return found
    given, taken = a.energy.get("battery_discharged", 0.0), a.energy.get("battery_charged", 0.0)
    measured = a.store[1] - a.store[0]
    found |= {
        "start_J": a.store[0], "end_J": a.store[1], "least_J": a.store[2], "measured_change_J": measured,
        "start_charge": a.charge[0] if a.charge else None, "end_charge": a.charge[1] if a.charge else None,
        "least_charge": a.charge[2] if a.charge else None, "discharged_J": given, "charged_J": taken,
        "least_margin_J": a.reserve.worst.value, "least_margin_time": a.reserve.worst.time,
    }  # fmt: skip
    if rover is not None:
        integrated = taken * rover.battery.charge_efficiency - given / rover.battery.discharge_efficiency
        found |= {"integrated_change_J": integrated, "difference_J": measured - integrated,
                  "relative": abs(measured - integrated) / (given + taken) if given + taken > 0.0 else None}  # fmt: skip
    return found


def _pack(p: Battery) -> dict[str, Any]:
    stated = None
    if "charge" in p.first:
        stated = 3600.0 * (p.last["charge"] - p.first["charge"])
    elif "percentage" in p.first and "capacity" in p.last:
        stated = 3600.0 * p.last["capacity"] * (p.last["percentage"] - p.first["percentage"])
    return {
        "topic": p.source.topic, "messages": p.samples, "counted_C": p.coulombs, "stated_C": stated, "energy_J": p.joules,
        "first_charge": p.first.get("percentage"), "last_charge": p.last.get("percentage"),
        "least_V": p.lowest.value, "greatest_V": p.voltage.value, "in_percent": p.percent,
    }  # fmt: skip


def _model(run: RunAudit) -> dict[str, Any]:
    """Measured less predicted, load by load."""
    loads = {}
    granted = run.inference.seen  # then it is no constant load
    for name in ("drive", "base") if granted else ("drive", "base", "inference"):
        residual = model_residual(run.shared.bins, f"measured.{name}", f"predicted.{name}")
        if residual is not None:
            loads[name] = residual
    return {"rover": run.rover.name if run.rover is not None else None, "loads": loads}


def _meters(run: RunAudit) -> list[dict[str, Any]]:
    """Two meters of one power side by side."""
    found = []
    shafts = [p for p in run.parts.values() if isinstance(p, Joints)]
    for label, second in (
        ("motors against shafts of the wheels", "shafts.drive"),
        ("bus against the motors' own meter", "meter.drive"),
    ):
        residual = model_residual(run.shared.bins, "measured.drive", second)
        if residual is not None and not (second == "shafts.drive" and shafts and shafts[0].mechanical):
            found.append({"what": label, **residual})
    return found


def _motion(run: RunAudit) -> dict[str, Any] | None:
    driven = [p for p in run.parts.values() if isinstance(p, Motion) and p.source.role == "odometry"]
    if not driven:
        return None
    longest = max(driven, key=lambda p: p.account.samples)
    return {"topic": longest.source.topic, "distance_m": longest.account.way, "samples": longest.account.samples}


def _series(run: RunAudit) -> dict[str, Any]:
    bins, model = run.shared.bins, Trace(width=run.shared.bins.width)
    for name in ("measured.drive", "predicted.drive", "shafts.drive"):
        values: Any = bins.mean(name)
        if np.isfinite(values).any():
            model.add((np.arange(values.size) + 0.5) * bins.width, {name: values})
    made = {name: trace.series() for name, trace in sorted(run.shared.traces.items())}
    return made | {"model": model.series()}


def faults(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What an operator should look at, worst first: one line each."""
    found: list[dict[str, Any]] = []

    def say(severity: str, subject: str, text: str, time: float | None = None) -> None:
        found.append({"severity": severity, "subject": subject, "text": text, "time": time})

    _limit_faults(result["compliance"], say)
    _ledger_faults(result, say)
    _stream_faults(result, say)
    _inference_faults(result, say)
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda f: rank[f["severity"]])


def _inference_faults(result: dict[str, Any], say: Any) -> None:
    account = result["inference"]
    if account is None:
        return
    if account["violations"]:
        told = f"{account['violations']} windows or instants above the grants: {account['first_violation'][0]}"
        say("error", "inference", told)
    if account["grants_unreadable"] or account["total"]["unmetered"]:
        told = f"{account['total']['unmetered']} runs without a price, {account['grants_unreadable']} grants that are none"
        say("warning", "inference", told)


def _limit_faults(c: dict[str, Any], say: Any) -> None:
    for check in c["checks"]:
        if check["violations"]:
            severity = "error" if check["name"] in HARD else "warning"
            worst = f"{check['worst_value']:.6g} {check['unit']} where {check['limit']:.6g} was the limit"
            say(severity, check["name"], f"broken for {check['seconds']:.3g} s, at worst {worst}", check["at_time"])
    for key, word in (("missing", "missing"), ("unusable", "without a usable total"), ("disordered", "out of order")):
        if c[key]:
            say("warning", "windows", f"{c[key]} windows of the meter are {word}")
    if not c["windows"]:
        say("warning", "power", "no topic tells the power of the run")
    elif c["passed"] is None:
        say("info", "power", "nothing says what power was available, so compliance is not judged")


def _ledger_faults(result: dict[str, Any], say: Any) -> None:
    e, b = result["energy"], result["battery"]
    if e["closure"] is not None and not e["closure"] <= CLOSURE:
        say("warning", "ledger", f"{e['unexplained_J']:.4g} J are not explained, {100.0 * e['closure']:.2g} % of what flowed",
            e["worst_balance_W"]["time"])  # fmt: skip
    if b.get("relative") is not None and b["relative"] > CHARGE:
        say(
            "warning",
            "battery",
            f"the stored energy changed by {b['measured_change_J']:.4g} J, its power sums to {b['integrated_change_J']:.4g} J",
        )
    for pack in b["packs"]:
        if pack["in_percent"]:
            say(
                "warning",
                pack["topic"],
                "states its charge in percent, where the message's definition says 0 to 1; read as percent",
            )
        counted, stated = pack["counted_C"], pack["stated_C"]
        if stated is not None and abs(counted - stated) > CHARGE * max(abs(counted), abs(stated), 1.0) and math.isfinite(stated):
            say("warning", pack["topic"], f"its current sums to {counted:.4g} C, its charge changed by {stated:.4g} C")
    for name, residual in result["model"]["loads"].items():
        if residual["relative"] is not None and abs(residual["relative"]) > MODEL:
            say("warning", f"model of {name}", f"measured {100.0 * residual['relative']:+.1f} % against the model")
        if residual["drifts"] and abs(residual["drift_W_per_h"]) * residual["seconds"] / 3600.0 > OFFSET:
            say("warning", f"model of {name}", f"drifts by {residual['drift_W_per_h']:.3g} W/h")
    for meter in result["meters"]:
        if abs(meter["bias_W"]) > OFFSET + AGREEMENT * meter["predicted_J"] / max(meter["seconds"], SLACK):
            say("warning", "meters", f"{meter['what']}: {meter['bias_W']:+.3g} W on average")


def _stream_faults(result: dict[str, Any], say: Any) -> None:
    used = {role["topic"] for role in result["roles"]}
    for topic in result["topics"]:
        if topic["name"] not in used:
            continue
        if topic["stale"]:
            say("warning", topic["name"], f"silent from {topic['last']:.3f} s on", topic["last"])
        if topic["gaps"]:
            start = topic["gap_list"][0]["start"]
            say(
                "warning",
                topic["name"],
                f"{topic['gaps']} gaps, {topic['gap_seconds']:.3g} s in all, the longest {topic['longest_silence']:.3g} s",
                start,
            )
        if topic["out_of_order"]:
            say("info", topic["name"], f"{topic['out_of_order']} messages were recorded out of order")
    loss = result["loss"]
    if loss["any"]:
        say("error", "bag", f"damaged: {loss['words']} are lost")
    if loss["unchecked_chunks"]:
        say(
            "info",
            "bag",
            f"{loss['unchecked_chunks']} chunks were written without a checksum: flipped bits in them cannot be seen",
        )
