"""Tables of an audit's page: loads, limits, model, topics, faults, events, damage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rover_energy.report.audit_sankey import label_of
from rover_energy.report.numbers import NOTHING, energy, finite, fixed, quantity, significant

MOST_ROWS = 80
MARKS = {"error": "\u2715", "warning": "!", "info": "\u00b7"}


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = (), css: str = "") -> str:
    """A table from ready HTML cells; the columns in `numbers` are flush right."""
    right = set(numbers)

    def cell(i: int, text: str, tag: str) -> str:
        style = ' class="number"' if i in right else ""
        label = f' data-label="{escape(titles[i])}"' if tag == "td" else ""
        scope = {"td": "", "th": ' scope="row"' if i == 0 and text is not titles[i] else ' scope="col"'}[tag]
        return f"<{tag}{style}{label}{scope}>{text}</{tag}>"

    head = "".join(cell(i, t, "th") for i, t in enumerate(titles))
    body = "".join(
        "<tr>" + "".join(cell(i, text, "th" if i == 0 else "td") for i, text in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table class="{css}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def energy_table(account: Mapping[str, Any]) -> str:
    """Every source and load with its energy, mean, peak, counter and provenance."""
    rows = []
    for kind, items in (("source", account["sources"]), ("load", account["loads"])):
        for item in items:
            counter = item.get("counter_J")
            rows.append((
                f"{escape(label_of(item['name']))} <small>{kind}</small>", energy(item["energy_J"]),
                quantity(item["mean_W"], "W"), quantity(item["peak_W"], "W"), quantity(item["peak_time"], "s", 5),
                energy(counter) if counter is not None else NOTHING, escape(str(item["provenance"])),
            ))  # fmt: skip
    return table(("Part", "Energy", "Mean", "Peak", "At", "Its own counter", "Known from"), rows, numbers=range(1, 6))


def ledger_sentence(account: Mapping[str, Any]) -> str:
    """The ledger in one line."""
    if account["kind"] != "bus":
        return f"The bag holds no account of the bus: these figures are what {escape(account['from'] or 'no topic')} saw."
    parts = (
        f"{energy(account['generated_J'])} generated and {energy(account['discharged_J'])} from the battery went into "
        f"{energy(account['consumed_J'])} of loads, {energy(account['charged_J'])} of charging and "
        f"{energy(account['shunted_J'])} shunted"
    )
    closure = finite(account["closure"])
    rest = "closes to rounding" if closure is not None and closure < 1e-12 else f"closes to {significant(closure, 2)} of it"
    return (
        f"{parts}; the account {rest}, and the battery kept {energy(account['stored_J'])} and lost {energy(account['lost_J'])}."
    )


def inference_sentence(account: Mapping[str, Any] | None) -> str:
    """What networks took, in one line; empty without them."""
    if not account:
        return ""
    above = account["violations"]
    verdict = "none was above its grant" if not above else f"{above} windows or instants were above the grants"
    done = account["outcomes"]["completed"]
    return (
        f" Networks handed in {account['receipts']} receipts over {energy(account['total']['known_J'])}, {done} of them for "
        f"completed runs, under {account['grants']} grants of {energy(account['granted_J'])} together; {verdict}."
    )


def checks_table(compliance: Mapping[str, Any]) -> str:
    """Every limit of the run with its tightest instant and its breaches."""
    rows = []
    for c in compliance["checks"]:
        unit = c["unit"]
        verdict = '<span class="pass">\u2713 kept</span>' if c["passed"] else '<span class="fail">\u2715 broken</span>'
        over = NOTHING
        if c["violations"]:
            integral = energy(c["excess"]) if unit == "W" else f"{significant(c['excess'], 3)} {unit}\u00a0s"
            over = f"{quantity(c['seconds'], 's', 3)}, {integral}"
        rows.append((
            escape(c["name"][:1].upper() + c["name"][1:]), quantity(c["worst_value"], unit, 5), quantity(c["limit"], unit, 5),
            quantity(_settled(c), unit, 3), quantity(c["at_time"], "s", 5), over, verdict,
        ))  # fmt: skip
    if not rows:
        return '<p class="absent">Nothing in the bag says what the limits were.</p>'
    return table(("Limit", "Worst", "Limit", "Margin", "At", "Beyond it", "Verdict"), rows, numbers=range(1, 6), css="checks")


def _settled(check: Mapping[str, Any]) -> float | None:
    """The margin; below rounding of the limit it is 0."""
    margin, limit = finite(check["margin"]), finite(check["limit"])
    return 0.0 if margin is not None and limit is not None and abs(margin) < 1e-9 * abs(limit) else margin


def model_table(model: Mapping[str, Any], meters: Sequence[Mapping[str, Any]]) -> str:
    """Measured against predicted, load by load, and meters against each other."""
    rows = [(escape(label_of(name)) + " <small>against the model</small>", r) for name, r in model["loads"].items()]
    rows += [(escape(m["what"][:1].upper() + m["what"][1:]), m) for m in meters]
    if not rows:
        return '<p class="absent">Without the rover\u2019s description nothing is predicted: give --rover or --plan.</p>'
    cells = [
        (name, energy(r["measured_J"]), energy(r["predicted_J"]), _percent(r["relative"]), f"{fixed(r['bias_W'], 2)}\u00a0W",
         f"{fixed(r['rms_W'], 2)}\u00a0W",
         f"{significant(r['drift_W_per_h'], 3)} \u00b1 {significant(r['drift_error_W_per_h'], 2)}\u00a0W/h")
        for name, r in rows
    ]  # fmt: skip
    return table(("Power", "Measured", "Predicted", "Difference", "Mean", "Rms", "Drift"), cells, numbers=range(1, 7))


def _percent(value: Any) -> str:
    number = finite(value)
    return NOTHING if number is None else f"{fixed(100.0 * number, 2)}\u00a0%"


def faults_list(faults: Sequence[Mapping[str, Any]]) -> str:
    """What to look at, worst first."""
    if not faults:
        return '<p class="absent">Nothing to look at.</p>'
    items = []
    for f in faults:
        when = f"<small>{quantity(f['time'], 's', 5)}</small>" if finite(f["time"]) is not None else ""
        items.append(
            f'<li class="{f["severity"]}"><i aria-label="{f["severity"]}">{MARKS[f["severity"]]}</i>'
            f"<b>{escape(f['subject'])}</b> <span>{escape(f['text'])}</span>{when}</li>"
        )
    return f'<ul class="faults">{"".join(items)}</ul>'


def events_table(audit: Mapping[str, Any]) -> str:
    """All events, folded."""
    events = audit["events"]
    if not events:
        return ""
    rows = [(quantity(e["time"], "s", 6), escape(e["severity"]), escape(e["text"])) for e in events[:MOST_ROWS]]
    more = len(events) - len(rows) + audit["more_events"]
    rest = f"<p class='note'>and {more} more in audit.json</p>" if more else ""
    count = len(events) + audit["more_events"]
    listed = table(("At", "Kind", "What"), rows)
    return f"<details><summary>All events <span>{count}</span></summary>{listed}{rest}</details>"


def topics_table(audit: Mapping[str, Any]) -> str:
    """Every topic with what it was used for and how regularly it came."""
    roles = {role["topic"]: role for role in audit["roles"]}
    rows = []
    for t in audit["topics"]:
        role = roles.get(t["name"])
        used = NOTHING if role is None else f"{escape(role['role'].replace('_', ' '))} <small>{escape(_how(role))}</small>"
        gaps = f"{t['gaps']} gaps" + ("" if role is not None else " in the recording")
        state = '<span class="fail">went silent</span>' if t["stale"] else (gaps if t["gaps"] else "regular")
        rows.append((
            f"<code>{escape(t['name'])}</code><small class='type'>{escape(t['type'])}</small>", used, str(t["messages"]),
            quantity(t["rate"], "Hz", 3), quantity(t["longest_silence"], "s", 3), state,
        ))  # fmt: skip
    return table(("Topic", "Used as", "Messages", "Rate", "Longest silence", "State"), rows, numbers=(2, 3, 4), css="topics")


def _how(role: Mapping[str, Any]) -> str:
    return {"contract": "by the contract", "map": "by the mapping file", "guess": "guessed", "type": "by its type"}[role["how"]]


def loss_section(audit: Mapping[str, Any]) -> str:
    """What of the bag could not be used, and remarks about its reading."""
    loss = audit["loss"]
    notes = "".join(f"<li>{escape(n)}</li>" for n in [*loss["notes"], *audit["remarks"]])
    listed = f'<ul class="notes">{notes}</ul>' if notes else ""
    messages = f"at least {loss['messages']}" if loss["messages"] else "unknown"
    facts = (
        ("Bytes lost", str(loss["bytes"])), ("Chunks lost", str(loss["chunks"])),
        ("Messages lost", messages if loss["messages_unknown"] else str(loss["messages"])),
        ("Messages that do not fit", str(loss["undecodable"] + loss["unknown_channel"])),
        ("Chunks without checksum", f"{loss['unchecked_chunks']} of {audit['bag']['chunks']}"),
    )  # fmt: skip
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{cells}</dl>{listed}'
