"""The store of variants: one YAML or JSON file, checked as a whole, with its artefacts beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from rover_energy.errors import InputError
from rover_energy.inference.variant import Variant, digest
from rover_energy.parameters import from_mapping, read_yaml, to_mapping

FORMAT = 1


@dataclass(frozen=True)
class Store:
    """Variants by name. Build it with `of` or `read`, which check it."""

    variants: tuple[Variant, ...]
    source: str = "store"

    @classmethod
    def of(cls, variants: Iterable[Variant], source: str = "store") -> Store:
        """A checked store. Raises InputError for a name that stands twice, or a task with two floor variants."""
        store = cls(tuple(variants), source)
        seen: set[str] = set()
        for variant in store.variants:
            if variant.name in seen:
                raise InputError(source, "variants", "holds a name twice", "names are unique in a store", variant.name)
            seen.add(variant.name)
        floors = [v for v in store.variants if v.floor]
        if len(floors) > 1:
            names = ", ".join(v.name for v in floors)
            raise InputError(source, "variants.floor", f"is true for {names}", "reserve the floor for one variant")
        if floors and not floors[0].priced:
            raise InputError(source, f"variants.{floors[0].name}", "is the floor, but unmetered", "meter it first")
        return store

    def __iter__(self) -> Iterator[Variant]:
        return iter(self.variants)

    def __len__(self) -> int:
        return len(self.variants)

    def __getitem__(self, name: str) -> Variant:
        for variant in self.variants:
            if variant.name == name:
                return variant
        names = ", ".join(v.name for v in self.variants) or "none"
        raise InputError(self.source, "variants", f"has no such variant (known: {names})", "check the name", name)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in order of appearance."""
        return tuple(dict.fromkeys(v.task for v in self.variants))

    def of_task(self, task: str) -> tuple[Variant, ...]:
        """Priced variants of a task, cheapest first. Raises InputError for an unknown task."""
        if task not in self._ladders:
            known = ", ".join(self.tasks) or "none"
            raise InputError(self.source, "task", f"is unknown (known: {known})", "check the name", task)
        return self._ladders[task]

    @cached_property
    def _ladders(self) -> dict[str, tuple[Variant, ...]]:
        ordered = sorted((v for v in self.variants if v.priced), key=lambda v: (v.energy_high, v.name))
        return {task: tuple(v for v in ordered if v.task == task) for task in self.tasks}

    @cached_property
    def floor(self) -> Variant | None:
        """The variant that always may run."""
        return next((v for v in self.variants if v.floor), None)

    def front(self, task: str) -> tuple[Variant, ...]:
        """Variants of a task that no other one beats in both quality and energy, cheapest first."""
        best, front = -1.0, []
        for variant in sorted(self.of_task(task), key=lambda v: (v.energy, -v.quality, v.name)):
            if variant.quality > best:
                best = variant.quality
                front.append(variant)
        return tuple(front)

    def with_variant(self, variant: Variant) -> Store:
        """A store in which the variant takes the place of the one of its name, or is added. Raises InputError as `of`."""
        kept = [v for v in self.variants if v.name != variant.name]
        return Store.of([*kept, variant], self.source)


def read_store(path: Path, *, verify: bool = True) -> Store:
    """Read a store. `verify`: compare the artefacts' checksums.

    Raises InputError that names the file, the field, the value, the limit and the remedy.
    """
    data, source = read_yaml(path), str(path)
    if not isinstance(data, dict) or not isinstance(data.get("variants"), list):
        raise InputError(source, "variants", "is not a list", "write 'variants: [{name: ..., task: ...}, ...]'")
    if data.get("format") != FORMAT:
        raise InputError(source, "format", f"is not {FORMAT}", f"write 'format: {FORMAT}'", data.get("format"))
    for key in data:
        if key not in ("format", "variants"):
            raise InputError(source, str(key), "unknown key", "known keys: format, variants")
    variants = []
    for i, entry in enumerate(data["variants"]):
        name = entry.get("name") if isinstance(entry, dict) else None
        variants.append(from_mapping(Variant, entry, source, f"variants[{name or i}]."))
    store = Store.of(variants, source)
    if verify:
        for variant in store:
            _verify(store, variant, path.parent)
    return store


def _verify(store: Store, variant: Variant, folder: Path) -> None:
    if variant.artefact and digest(folder / variant.artefact) != variant.checksum:
        field, known = f"variants[{variant.name}].checksum", variant.checksum[:12]
        raise InputError(store.source, field, f"is not that of {variant.artefact}", "build the artefact again", known)


def write_store(path: Path, store: Store) -> None:
    """Write a store: JSON for the suffix .json, YAML otherwise. Fields at their defaults are left out."""
    default = {name: value for name, value in to_mapping(Variant(name="-", task="-")).items() if name not in ("name", "task")}
    entries = [{k: v for k, v in to_mapping(variant).items() if k not in default or v != default[k]} for variant in store]
    data = {"format": FORMAT, "variants": entries}
    as_json = path.suffix.lower() == ".json"
    text = json.dumps(data, indent=1, allow_nan=False) if as_json else yaml.safe_dump(data, sort_keys=False, width=130)
    path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
