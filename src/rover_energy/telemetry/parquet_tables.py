"""Tables of an audit as Parquet, written while the bag is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rover_energy.telemetry.extras import need

ROWS = 1 << 16  # of a group of rows


class Tables:
    """Parquet files in a folder, one per table; use as a context manager.

    Each row also carries `bag`, so that the tables of many bags can be read as one. Raises MissingExtraError without pyarrow.
    """

    def __init__(self, folder: Path, bag: str) -> None:
        self.folder, self.bag = folder, bag
        self.arrow = need("pyarrow", purpose="writing tables")
        self.parquet = need("pyarrow.parquet", "pyarrow", "writing tables")
        self.writers: dict[str, Any] = {}
        self.waiting: dict[str, list[Any]] = {}
        self.rows: dict[str, int] = {}

    def __enter__(self) -> Tables:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.waiting):
            self._flush(name)
        for writer in self.writers.values():
            writer.close()

    def add(self, name: str, columns: Mapping[str, ArrayLike]) -> None:
        """Rows of a table, columns (n,). Every call for a table has the same names."""
        arrays = {key: self._array(values) for key, values in columns.items()}
        size = len(next(iter(arrays.values())))
        if not size:
            return
        bag = self.arrow.DictionaryArray.from_arrays(np.zeros(size, dtype=np.int32), [self.bag])
        batch = self.arrow.table({"bag": bag, **arrays})
        self.waiting.setdefault(name, []).append(batch)
        self.rows[name] = self.rows.get(name, 0) + size
        if sum(len(part) for part in self.waiting[name]) >= ROWS:
            self._flush(name)

    def _array(self, values: ArrayLike) -> Any:
        if isinstance(values, list) and values and isinstance(values[0], str):
            return self.arrow.array(values, self.arrow.string())
        return self.arrow.array(np.asarray(values))

    def _flush(self, name: str) -> None:
        parts = self.waiting.pop(name, [])
        if not parts:
            return
        if name not in self.writers:
            path = self.folder / f"{name}.parquet"
            self.writers[name] = self.parquet.ParquetWriter(path, parts[0].schema, compression="zstd")
        self.writers[name].write_table(self.arrow.concat_tables(parts).combine_chunks())
