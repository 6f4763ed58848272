"""Databases and brokers say by state, number, label or word whether another try may succeed."""

from __future__ import annotations

import sqlite3
import types
from pathlib import Path
from typing import Any

import pytest

from chatkit.failures.classification import classify
from tests.failures.exceptions import caused, made, raised


def driver(name: str, *args: Any, **attributes: Any) -> BaseException:
    """An exception of a driver: its class derives from that of PEP 249 of the same name."""
    error = made(name, "", **attributes)
    error.args = args
    return error


def test_a_locked_sqlite_is_tried_again_and_a_wrong_statement_is_not(tmp_path: Path) -> None:
    first, second = (sqlite3.connect(tmp_path / "x.db", timeout=0) for _ in range(2))
    with first, second:
        first.execute("create table t(a unique)")
        first.execute("begin exclusive")
        assert classify(raised(lambda: second.execute("begin exclusive"))).kind == "overloaded"
        wrong = raised(lambda: first.execute("select * from overload"))
        twice = raised(lambda: first.executemany("insert into t values (?)", [(1,), (1,)]))
    assert not classify(wrong).retryable
    assert classify(twice).kind == "invalid_request"
    for connection in (first, second):
        connection.close()
    assert classify(sqlite3.OperationalError("database table is locked: t")).kind == "overloaded"


@pytest.mark.parametrize("attribute", ["sqlstate", "pgcode"])
@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", "network"),
        ("40001", "server_error"),
        ("40P01", "server_error"),
        ("53300", "overloaded"),
        ("55P03", "overloaded"),
        ("57P01", "server_error"),
        ("57P03", "overloaded"),
        ("28P01", "auth"),
        ("23505", "invalid_request"),
        ("42601", "invalid_request"),
        ("57014", "unknown"),
    ],
)
def test_a_state_of_sql_decides(attribute: str, state: str, kind: str) -> None:
    for library in ("psycopg.errors", "asyncpg.exceptions", "snowflake.connector.errors", "somebody.errors"):
        assert classify(made(f"{library}.Some", "timeout overload", **{attribute: state})).kind == kind


@pytest.mark.parametrize("library", ["pymysql.err", "mysql.connector.errors", "MySQLdb"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1040, "overloaded"),
        (1205, "overloaded"),
        (1213, "server_error"),
        (2006, "network"),
        (2013, "network"),
        (1045, "auth"),
        (9999, "unknown"),
    ],
)
def test_a_number_of_mysql_decides(library: str, number: int, kind: str) -> None:
    assert classify(driver(f"{library}.OperationalError", number, "m")).kind == kind


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        (made("psycopg2.errors.SerializationFailure", "x"), "server_error"),
        (driver("pymysql.err.OperationalError", 2006, "gone"), "network"),
        (sqlite3.OperationalError("database is locked"), "overloaded"),
        (sqlite3.OperationalError("no such table: timeout"), "unknown"),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), "invalid_request"),
    ],
)
def test_sqlalchemy_is_looked_into(inner: BaseException, kind: str) -> None:
    assert classify(made("sqlalchemy.exc.OperationalError", f"(x) {inner}", orig=inner, connection_invalidated=False)).kind == kind


def test_a_connection_that_sqlalchemy_drops_is_a_broken_one() -> None:
    inner = made("psycopg.OperationalError", "?")
    assert classify(made("sqlalchemy.exc.DBAPIError", "x", orig=inner, connection_invalidated=True)).kind == "network"
    assert classify(made("sqlalchemy.exc.DBAPIError", "x", orig=inner, connection_invalidated=False)).kind == "unknown"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (made("sqlalchemy.exc.TimeoutError", "QueuePool limit reached"), "timeout"),
        (made("psycopg.OperationalError", "connection failed: Connection refused"), "network"),
        (made("psycopg2.OperationalError", "server closed the connection unexpectedly"), "network"),
        (made("psycopg2.OperationalError", 'FATAL: password authentication failed for user "x"'), "auth"),
        (made("asyncpg.exceptions.InterfaceError", "connection is closed"), "network"),
        (made("django.db.utils.IntegrityError", "x"), "invalid_request"),
        (caused(made("django.db.utils.OperationalError", "x"), driver("MySQLdb.OperationalError", 1213, "m")), "server_error"),
        (driver("pyodbc.OperationalError", "08S01", "[08S01] link failure"), "network"),
        (driver("pyodbc.Error", "HYT00", "[HYT00] Timeout expired"), "timeout"),
        (driver("pymssql.OperationalError", (1205, b"deadlock")), "server_error"),
        (driver("oracledb.exceptions.OperationalError", made("X", isrecoverable=True, full_code="DPY-4011")), "network"),
        (driver("oracledb.exceptions.DatabaseError", made("X", isrecoverable=False, full_code="ORA-00060")), "server_error"),
        (made("duckdb.IOException", "IO Error: Could not set lock on file"), "overloaded"),
        (made("_duckdb.CatalogException", "Table with name overload does not exist"), "unknown"),
        (made("clickhouse_driver.errors.ServerException", "x", code=202), "overloaded"),
        (made("clickhouse_driver.errors.ServerException", "x", code=516), "unknown"),
        (made("redis.exceptions.ResponseError", "TRYAGAIN Multiple keys request during rehashing of slot"), "server_error"),
        (made("redis.exceptions.ResponseError", "CLUSTERDOWN The cluster is down"), "server_error"),
        (made("redis.exceptions.ResponseError", "BUSY Redis is busy running a script"), "overloaded"),
        (made("redis.exceptions.ResponseError", "BUSYGROUP Consumer Group name already exists"), "unknown"),
        (made("redis.exceptions.BusyLoadingError", "x", type(made("redis.exceptions.ConnectionError"))), "overloaded"),
        (made("redis.exceptions.AuthenticationError", "x", type(made("redis.exceptions.ConnectionError"))), "auth"),
        (made("pymongo.errors.OperationFailure", "x", code=189), "server_error"),
        (made("pymongo.errors.OperationFailure", "x", code=462, has_error_label="RetryableWriteError".__eq__), "server_error"),
        (made("pymongo.errors.OperationFailure", "x", code=462, has_error_label=lambda label: False), "invalid_request"),
        (made("pymongo.errors.AutoReconnect", "x", type(made("pymongo.errors.ConnectionFailure"))), "network"),
        (made("kafka.errors.NotLeaderForPartitionError", "x", retriable=True), "network"),
        (made("kafka.errors.MessageSizeTooLargeError", "x", retriable=False), "unknown"),
        (made("neo4j.exceptions.ServiceUnavailable", "x", is_retryable=lambda: True), "network"),
        (driver("confluent_kafka.KafkaException", types.SimpleNamespace(name=lambda: "_TRANSPORT", retriable=lambda: False)), "network"),
    ],
)
def test_a_driver_is_understood(error: BaseException, kind: str) -> None:
    assert classify(error).kind == kind


def test_a_refused_statement_is_called_one() -> None:
    assert classify(sqlite3.IntegrityError("UNIQUE constraint failed")).message == "the server refused the request as invalid"


def test_a_driver_that_raises_when_it_is_asked_says_nothing() -> None:
    class Hostile(Exception):
        __module__ = "pymongo.errors"

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __str__(self) -> str:
            raise RuntimeError

    assert classify(Hostile()).kind == "unknown"
