"""What servers say that don't speak HTTP: databases, brokers, and the mail and file servers of the standard library.

The tables come from the documents of the servers and drivers, named beside each. What isn't in them is a refusal, where the driver
says that the statement was at fault, and is left open otherwise.
"""

from __future__ import annotations

import re

from chatkit.errors import Kind
from chatkit.failures.codes import word_set
from chatkit.failures.patterns import text_kind

_DRIVERS = word_set("""
    MySQLdb _duckdb aiomysql aiosqlite asyncmy asyncpg clickhouse_connect clickhouse_driver django duckdb mariadb mysql oracledb psycopg
    psycopg2 psycopg_pool pymssql pymysql pyodbc snowflake sqlalchemy sqlite3""")
_MYSQL = word_set("MySQLdb aiomysql asyncmy mariadb mysql pymysql")
_OTHERS = word_set("aiokafka cimpl confluent_kafka kafka neo4j playwright pymongo redis selenium valkey")
SERVICES = _DRIVERS | _OTHERS | word_set("aiormq amqp ftplib imaplib kombu nntplib pika poplib smtplib")
"""The libraries whose attributes and words mean what this module says, not what they mean in HTTP."""

_STATES: dict[str, Kind] = {
    "08": "network",  # connection exception
    "28": "auth",  # invalid authorization specification
    "53": "overloaded",  # insufficient resources
    "40001": "server_error",  # serialization failure
    "40P01": "server_error",  # deadlock detected
    "55P03": "overloaded",  # lock not available
    "57P01": "server_error",  # admin shutdown
    "57P02": "server_error",  # crash shutdown
    "57P03": "overloaded",  # cannot connect now: it starts up or shuts down
    "HYT00": "timeout",  # ODBC
    "HYT01": "timeout",
}
"""SQLSTATEs, and their first two letters: PostgreSQL, appendix A of its manual; ODBC, appendix A of its reference."""
_STATEMENT_STATES = word_set("0A 21 22 23 25 26 34 3D 3F 42 44")
"""Classes of SQLSTATE for which the statement, or its data, is at fault."""

_MYSQL_NUMBERS: dict[object, Kind] = {
    1040: "overloaded",  # too many connections
    1045: "auth",  # access denied
    1205: "overloaded",  # lock wait timeout exceeded; try restarting transaction
    1213: "server_error",  # deadlock found; try restarting transaction
    2002: "network",  # can't connect through the socket
    2003: "network",  # can't connect to the host
    2006: "network",  # the server has gone away
    2013: "network",  # lost connection during query
    2055: "network",  # lost connection, with the system's error
}
"""MySQL 8.4 Error Message Reference: server errors from 1000, client errors from 2000."""
_MSSQL_NUMBERS: dict[object, Kind] = {
    1205: "server_error",
    1222: "overloaded",
    40197: "server_error",
    40501: "overloaded",
    40613: "overloaded",
}
"""SQL Server: deadlock victim, lock timeout; Azure's list of transient errors."""
_CLICKHOUSE_NUMBERS: dict[object, Kind] = {202: "overloaded", 209: "timeout", 210: "network", 252: "overloaded"}
"""ClickHouse ``ErrorCodes.cpp``: too many simultaneous queries, socket timeout, network error, too many parts."""
_ORACLE_CODES: dict[object, Kind] = {
    "ORA-00054": "overloaded",
    "ORA-00060": "server_error",
    "ORA-01017": "auth",
    "ORA-08177": "server_error",
}
"""Oracle Database Error Messages: resource busy, deadlock, can't serialize, invalid password; the rest by ``isrecoverable`` (oracledb)."""
_SQLITE_RESULTS: dict[int, Kind] = {5: "overloaded", 6: "overloaded"}
"""SQLite "Result and Error Codes": SQLITE_BUSY and SQLITE_LOCKED, the low byte of the extended codes."""
_SQLITE_LOCKED = re.compile(r"database (?:table |schema )?is locked")
_DUCKDB = re.compile(r"Could not set lock on file|Conflict on |write-write conflict", re.I)
"""DuckDB, "Concurrency": another process has the file; two transactions changed the same rows."""

_REDIS_WORDS: dict[str, Kind] = {
    "BUSY": "overloaded",
    "CLUSTERDOWN": "server_error",
    "LOADING": "overloaded",
    "MASTERDOWN": "server_error",
    "NOAUTH": "auth",
    "NOPERM": "auth",
    "TRYAGAIN": "server_error",
    "WRONGPASS": "auth",
}
"""The first word of an error reply, as the documents of Redis (commands, cluster specification, ACL) name them."""
_MONGO_LABELS = ("RetryableWriteError", "RetryableReadError", "TransientTransactionError", "SystemOverloadedError")
_MONGO_CODES: dict[object, Kind] = {
    **dict.fromkeys((6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436), "server_error"),
    13: "auth",
    18: "auth",
}
"""MongoDB's specification of retryable reads and writes."""

_LIBRDKAFKA: dict[object, Kind] = {
    "_ALL_BROKERS_DOWN": "network",
    "_RESOLVE": "network",
    "_TIMED_OUT": "timeout",
    "_TRANSPORT": "network",
}
"""librdkafka's own errors (``rdkafka.h``), of which ``retriable()`` knows nothing."""
_BROWSER = re.compile(r"net::ERR_(?:ADDRESS_UNREACHABLE|CONNECTION|EMPTY_RESPONSE|INTERNET|NAME_NOT|NETWORK|SOCKET|TIMED_OUT)")
_TEMPORARY_REPLY = re.compile(r"4\d\d\b")
_PERMANENT_REPLY = re.compile(r"5\d\d\b")
_NO_LOGIN = re.compile(r"53[0458]\b|48[012]\b")


def service_kind(error: BaseException, library: str, names: list[str]) -> Kind | None:
    """What an exception of one of the `SERVICES` says, beside its class; it may raise what the exception's attributes raise.

    An SQLSTATE counts whoever carries it, also where `library` is empty, for none of them.
    """
    if not library:
        return _kind_of_state(error, library)
    if library in _DRIVERS:
        return _driver_kind(error, library, names)
    match library:
        case "redis" | "valkey":
            return _REDIS_WORDS.get(str(error)[:40].partition(" ")[0])
        case "pymongo":
            return _mongo_kind(error, names)
        case "smtplib" | "ftplib" | "nntplib":
            return _reply_kind(error)
        case "playwright" | "selenium":
            return "network" if _BROWSER.search(str(error)[:4_096]) else None
    return _own_verdict(error, library)


def _driver_kind(error: BaseException, library: str, names: list[str]) -> Kind | None:
    """What a driver of PEP 249 says, by the state or the number that the server sent, or by the standard names of its classes."""
    if getattr(error, "connection_invalidated", False) is True:  # SQLAlchemy: the pool drops this connection
        return "network"
    inner = getattr(error, "orig", None)
    if isinstance(inner, BaseException):  # SQLAlchemy: the driver's own error, which the chain holds too
        return None
    text = str(error)[:4_096]
    kind = _kind_of_state(error, library) or _kind_of_number(error, library, text)
    if kind is None and not {"IntegrityError", "ProgrammingError", "DataError", "NotSupportedError"}.isdisjoint(names):
        return "invalid_request"
    if kind is None and library != "sqlite3" and not {"OperationalError", "InterfaceError", "DatabaseError"}.isdisjoint(names):
        return text_kind(text, {"network", "timeout", "auth"})  # a connection that was never made has neither
    return kind


def _kind_of_state(error: BaseException, library: str) -> Kind | None:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is None and library == "pyodbc" and error.args:
        state = error.args[0]
    if not isinstance(state, str):
        return None
    return _STATES.get(state) or _STATES.get(state[:2]) or ("invalid_request" if state[:2] in _STATEMENT_STATES else None)


def _kind_of_number(error: BaseException, library: str, text: str) -> Kind | None:
    first = error.args[0] if error.args else None
    if library in _MYSQL:
        return _MYSQL_NUMBERS.get(first)
    if library == "pymssql":
        return _MSSQL_NUMBERS.get(first[0] if isinstance(first, tuple) and first else first)
    if library == "clickhouse_driver":
        return _CLICKHOUSE_NUMBERS.get(getattr(error, "code", None))
    if library == "oracledb":
        known = _ORACLE_CODES.get(getattr(first, "full_code", None))
        return known or ("network" if getattr(first, "isrecoverable", False) is True else None)
    if library in ("sqlite3", "aiosqlite"):
        result = getattr(error, "sqlite_errorcode", None)
        locked = _SQLITE_RESULTS.get(result & 0xFF) if isinstance(result, int) else None
        return locked or ("overloaded" if _SQLITE_LOCKED.search(text) else None)
    return "overloaded" if library in ("_duckdb", "duckdb") and _DUCKDB.search(text) else None


def _mongo_kind(error: BaseException, names: list[str]) -> Kind | None:
    has_label = getattr(error, "has_error_label", None)
    if callable(has_label) and any(has_label(label) is True for label in _MONGO_LABELS):
        return "network" if "ConnectionFailure" in names else "server_error"
    if "OperationFailure" not in names:
        return None
    return _MONGO_CODES.get(getattr(error, "code", None), "invalid_request")


def _reply_kind(error: BaseException) -> Kind | None:
    """A reply of SMTP (RFC 5321), FTP (RFC 959) or NNTP (RFC 3977): 4xx may pass, and 5xx stays, the other way round than in HTTP."""
    refused = getattr(error, "recipients", None)  # SMTP: the code of each address
    codes = [str(code) for code, _ in refused.values()] if isinstance(refused, dict) and refused else []
    replies = codes or [str(getattr(error, "smtp_code", None) or error)[:40]]
    if any(map(_NO_LOGIN.match, replies)):
        return "auth"
    if any(map(_PERMANENT_REPLY.match, replies)):
        return "invalid_request"
    return "server_error" if any(map(_TEMPORARY_REPLY.match, replies)) else None


def _own_verdict(error: BaseException, library: str) -> Kind | None:
    """Kafka's and Neo4j's drivers say themselves whether an error passes."""
    if library in ("cimpl", "confluent_kafka"):
        failure = error.args[0] if error.args else None
        return _LIBRDKAFKA.get(failure.name()) or ("network" if failure.retriable() else None)  # type: ignore[union-attr]
    verdict = next((found for name in ("retriable", "is_retryable") if (found := getattr(error, name, None)) is not None), None)
    return "network" if (verdict() if callable(verdict) else verdict) is True else None
