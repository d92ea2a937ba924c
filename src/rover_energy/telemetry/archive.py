"""The archive of many audits: Parquet tables, and a DuckDB file whose views read them with SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rover_energy.telemetry.extras import need

NAME = "archive.duckdb"
TABLES = ("power", "loads", "battery", "motion", "wheels", "numbers")


def build_archive(out: Path, runs: list[dict[str, Any]]) -> Path:
    """Write `out`/runs.parquet with one row per bag, and the DuckDB file with the table `runs` and a view for each kind of table.

    The views name the Parquet files in full, so the archive stays where it is; read_parquet on the folder works anywhere. Raises
    MissingExtraError without pyarrow or duckdb.
    """
    arrow, parquet = need("pyarrow", purpose="the archive"), need("pyarrow.parquet", "pyarrow", "the archive")
    duckdb = need("duckdb", purpose="the archive")
    out.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(key for run in runs for key in run))
    parquet.write_table(arrow.Table.from_pylist([{key: run.get(key) for key in keys} for run in runs]), out / "runs.parquet")
    path = out / NAME
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as base:
        base.execute(f"CREATE TABLE runs AS SELECT * FROM read_parquet({_text(out.resolve() / 'runs.parquet')})")
        for table in TABLES:
            if any((out / "bags").glob(f"*/tables/{table}.parquet")):
                files = _text(out.resolve() / "bags" / "*" / "tables" / f"{table}.parquet")
                base.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({files}, union_by_name=true)")
    return path


def _text(path: Path) -> str:
    """A path as SQL writes a string."""
    return "'" + str(path).replace("'", "''") + "'"
