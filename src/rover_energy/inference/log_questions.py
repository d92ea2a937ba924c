"""Questions to the log analyst: one English sentence becomes part, quantity or event, kind and time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rover_energy.errors import InputError
from rover_energy.inference.log_entries import UNITS, WORDS

LONGEST = 300  # characters
KINDS = (
    "latest", "first", "at", "maximum", "minimum", "mean", "integral", "count", "list", "when_maximum", "when_minimum",
    "when_first", "when_latest",
)  # fmt: skip
EXTREMES = ("maximum", "minimum", "when_maximum", "when_minimum")
#: words of each event, as it stands in the lines
EVENTS = {
    "stall": ("stall", "stuck", "blocked"), "over_limit": ("over the limit", "above the limit", "over limit", "broken", "beyond"),
    "switched_off": ("shed", "switched off", "turned off"), "switched_on": ("switched on", "turned on"),
    "anomaly": ("anomal", "unusual"),
    "silence": ("silen", "missing", "gap", "lost message"), "state": ("state change", "changed state"),
    "fault": ("fault", "problem", "error", "warning", "wrong", "alarm"), "": ("happen", "event"),
}  # fmt: skip
QUANTITIES = {
    "available": ("available",), "charge": ("charge", "soc"), "energy": ("stored", "energy", "joule"), "speed": ("speed", "fast"),
    "score": ("score",), "power": ("power", "watt", "load", "draw", "consum", "take", "took"),
}  # fmt: skip
USUAL = {"battery": "charge", "rover": "speed"}
NUMBER = r"(\d+(?:\.\d+)?)"
REMEDY = "ask for example: how often did the motors stall since 120 s"


@dataclass(frozen=True)
class Question:
    """What is asked. Times in [s].

    part : empty for all. quantity : of `UNITS`, or event. event : of `EVENTS`, empty for every one. at : NaN without an instant.
    """

    kind: str
    part: str
    quantity: str
    event: str = ""
    begin: float = -math.inf
    end: float = math.inf
    at: float = math.nan

    def wants(self, line: str) -> bool:
        """Whether a line is of the kind that is asked for."""
        head, _, said = line.partition(":")
        event = head[head.rindex(" ") + 1 :]
        if self.quantity == "event":
            if self.event == "fault":
                return " info " not in head
            return event == self.event if self.event else event != "sample"
        return event == "sample" and f"{self.quantity} " in said

    def words(self, value: float, time: float, lines: int) -> str:
        """The answer in one line."""
        what = (self.event or "event").replace("_", " ") if self.quantity == "event" else self.quantity.replace("peak", "power")
        about = f"{what} of {self.part}" if self.part else what
        if math.isnan(value):
            return f"{about}: the log does not say"
        if self.kind in ("count", "list"):
            return f"{about}: {value:.0f} times{self._span()}"
        if self.kind.startswith("when"):
            return f"{about}: {self.kind[5:]} at {value:.2f} s{self._span()}"
        unit = "J" if self.kind == "integral" else UNITS.get(self.quantity, "")
        label = "energy" if self.kind == "integral" else f"{self.kind} {what}"
        where = f" over {lines} or more lines" if self.kind in ("mean", "integral") else f" at {time:.2f} s"
        number = f"{value:.6g} {unit}".removesuffix(" -").rstrip()
        return f"{label}{f' of {self.part}' if self.part else ''}: {number}{where}{self._span()}"

    def _span(self) -> str:
        begin = f" since {self.begin:g} s" if math.isfinite(self.begin) and math.isnan(self.at) else ""
        return begin + (f" until {self.end:g} s" if math.isfinite(self.end) and math.isnan(self.at) else "")


def read_question(text: str, window: float = 5.0) -> Question:
    """Understand a sentence. `window`: a question about one instant looks so far around it [s]. Raises InputError."""
    words = " ".join(text.lower().split())
    if not words or len(words) > LONGEST:
        raise InputError("question", "text", f"is empty or longer than {LONGEST} characters", REMEDY, len(words))
    event = next((name for name, said in EVENTS.items() if any(w in words for w in said)), None)
    quantity = next((name for name, said in QUANTITIES.items() if any(w in words for w in said)), "")
    part = next((name for name, said in WORDS.items() if any(w in words for w in said)), "")
    if event is not None and part == "bus":
        part = ""  # loads, power and limits are words of many events
    kind = _kind(words, event is not None)
    if event is not None and kind in ("count", "list", "first", "latest", "when_first", "when_latest"):
        kind = {"first": "when_first", "latest": "when_latest"}.get(kind, kind)
        return Question(kind, part, "event", event, *_span(words))
    part = part or "bus"
    quantity = quantity or USUAL.get(part, "power" if part not in ("meters", "graph") else "")
    if not quantity or not _about(words):
        raise InputError("question", "text", "is about nothing in the log", f"name a part or an event; {REMEDY}", words[:80])
    if part == "rover":
        quantity = "speed"
    elif quantity in ("energy", "charge") and part != "battery":
        quantity = "power"
        kind = "integral" if kind in ("latest", "list", "count") and "energy" in words else kind
    if kind in ("maximum", "when_maximum") and quantity == "power":
        quantity = "peak"
    at = re.search(rf"\b(?:at|on) (?:t ?= ?)?{NUMBER}", words)
    if at and kind in ("latest", "at"):
        instant = float(at.group(1))
        return Question("at", part, quantity, "", instant - window, instant + window, instant)
    return Question("latest" if kind in ("count", "list") else kind, part, quantity, "", *_span(words))


def _about(words: str) -> bool:
    known = [*WORDS.values(), *QUANTITIES.values()]
    return any(w in words for said in known for w in said)


def _kind(words: str, event: bool) -> str:
    when = "when_" if re.search(r"\b(when|what time)\b", words) else ""
    if re.search(r"\b(highest|most|maximum|max|greatest|peak|largest)\b", words):
        return f"{when}maximum"
    if re.search(r"\b(lowest|least|minimum|min|smallest|emptiest)\b", words):
        return f"{when}minimum"
    if re.search(r"\b(average|mean|typical)\b", words):
        return "mean"
    if re.search(r"\b(in total|altogether|how much energy|how many joules)\b", words):
        return "integral"
    if re.search(r"\bhow (often|many)\b", words):
        return "count"
    if re.search(r"\bfirst\b", words):
        return f"{when}first"
    if when and event and not re.search(r"\b(last|latest)\b", words):
        return "when_first"
    if re.search(r"\b(latest|last|now|current|present)\b", words) or when:
        return f"{when}latest"
    return "list" if event else "latest"


def _span(words: str) -> tuple[float, float]:
    """Begin and end [s]."""
    if between := re.search(rf"\b(?:between|from) {NUMBER} ?s? (?:and|to) {NUMBER}", words):
        return float(between.group(1)), float(between.group(2))
    since = re.search(rf"\b(?:since|after) (?:t ?= ?)?{NUMBER}", words)
    until = re.search(rf"\b(?:until|before|up to) (?:t ?= ?)?{NUMBER}", words)
    return float(since.group(1)) if since else -math.inf, float(until.group(1)) if until else math.inf
