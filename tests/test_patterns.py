"""Every regular expression of the library takes linear time, whatever the text: most of them read what strangers wrote.

The expressions are found by looking at the modules, so a new one is held as well; the texts are made from each expression itself.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
import warnings
from collections.abc import Iterator
from functools import _lru_cache_wrapper
from pathlib import Path
from types import BuiltinMethodType
from typing import Any, NamedTuple

import chatkit

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_compile
    import sre_constants as sre
    import sre_parse

SHORT, LONG = 4_000, 16_000
"""Characters of the two texts that are compared."""
TOO_MUCH = 10.0
"""A linear search of the long text takes four times as long as that of the short one, a quadratic one sixteen times."""
MEASURABLE = 0.004
"""Seconds of the processor for the long text; less can't be told from noise, and a quadratic search takes more."""
FILLS = " \n\t-\"'\\<>[]({$`*_|#:=.,;&aZ0\x7fé"


class Use(NamedTuple):
    """One expression of a module, and the method by which it is applied."""

    where: str
    pattern: re.Pattern[Any]
    method: str


def seconds(pattern: re.Pattern[Any], method: str, text: str) -> float:
    """The time of the processor that one use takes."""
    subject: Any = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    before = time.thread_time()
    found = getattr(pattern, method)(subject)
    if method == "finditer":
        for _ in found:
            pass
    return time.thread_time() - before


def uses() -> Iterator[Use]:
    """The expressions of all modules: the values of a module, and literals that its functions give to `re`."""
    seen: set[re.Pattern[Any]] = set()
    for module in pkgutil.walk_packages(chatkit.__path__, "chatkit."):
        loaded = importlib.import_module(module.name)
        source = Path(str(loaded.__file__)).read_text()
        found: list[tuple[str, re.Pattern[Any], set[str]]] = []
        for name, value in vars(loaded).items():
            for pattern, method in patterns_in(value):
                found.append((name, pattern, {method} if method else set(re.findall(rf"\b{name}\.(\w+)\(", source))))
        for call in ast.walk(ast.parse(source)):
            match call:
                case ast.Call(ast.Attribute(ast.Name("re"), method), [ast.Constant(text), *_]) if method != "compile":
                    found.append((f"line {call.lineno}", re.compile(text), {method}))
        for name, pattern, methods in found:
            if pattern not in seen:
                seen.add(pattern)
                at_start = "fullmatch" if methods == {"fullmatch"} else "match" if methods and methods <= {"match", "fullmatch"} else ""
                yield Use(f"{module.name} {name}", pattern, at_start or "finditer")


def patterns_in(value: object) -> Iterator[tuple[re.Pattern[Any], str]]:
    """The expressions that a module's value holds, with the method if it is fixed."""
    if isinstance(value, re.Pattern):
        yield value, ""
    elif isinstance(value, BuiltinMethodType) and isinstance(value.__self__, re.Pattern):
        yield value.__self__, value.__name__
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from patterns_in(item)
    elif isinstance(value, dict):
        yield from patterns_in([*value.values()])
    elif isinstance(value, _lru_cache_wrapper) and not value.__wrapped__.__code__.co_argcount:
        yield from patterns_in(value())


def alternatives(use: Use) -> Iterator[tuple[str, re.Pattern[Any], Any]]:
    """Method, expression and its parsed form; of a long list of alternatives each one, since the list takes no longer than their sum."""
    pattern = use.pattern
    source = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    tree: Any = sre_parse.parse(source, pattern.flags)
    match list(tree):
        case [(sre.BRANCH, (None, ways))] if len(ways) > 8:
            yield from ((use.method, sre_compile.compile(way, pattern.flags), way) for way in ways)
        case _:
            yield use.method, pattern, tree


def samples(tree: Any) -> list[str]:
    """Texts that a parsed expression nearly matches: each way through each of its elements once, with the first way through the others."""
    ways = [one(op, argument) for op, argument in tree]
    first = [texts[0] for texts in ways]
    varied = ["".join([*first[:at], text, *first[at + 1 :]]) for at, texts in enumerate(ways) for text in texts[1:]]
    return list(dict.fromkeys(["".join(first), *varied]))


def one(op: Any, argument: Any) -> list[str]:
    match op:
        case sre.LITERAL:
            return [chr(argument)]
        case sre.NOT_LITERAL:
            return ["x" if argument != ord("x") else "y"]
        case sre.ANY:
            return ["x"]
        case sre.IN:
            return [character_of(argument)]
        case sre.BRANCH:
            return [text for way in argument[1] for text in samples(way)]
        case sre.SUBPATTERN:
            return samples(argument[3])
        case sre.ATOMIC_GROUP:
            return samples(argument)
        case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
            least, _, what = argument
            inner = samples(what)
            return list(dict.fromkeys(text * times for text in inner for times in (max(least, 1), least)))
        case _:
            return [""]  # an assertion


def character_of(choices: Any) -> str:
    """A character of a class."""
    pattern = "[" + "".join(map(repr_of, choices)) + "]"
    return next((c for c in "x 0-\"'<" + "".join(map(chr, range(1, 0x500))) if re.match(pattern, c)), "x")


def repr_of(choice: Any) -> str:
    op, argument = choice
    match op:
        case sre.NEGATE:
            return "^"
        case sre.LITERAL:
            return re.escape(chr(argument))
        case sre.RANGE:
            return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
        case _:
            return {
                sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_SPACE: r"\s",
                sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_WORD: r"\W",
            }[argument]  # fmt: skip


def hostile(tree: Any) -> Iterator[tuple[str, str]]:
    """Beginnings and units of texts that an expression nearly matches: the unit is repeated after the beginning."""
    made = samples(tree)
    prefixes = dict.fromkeys(text[:end] for text in made for end in (1, 2, 3, 4, 5, 6, 8, 12, 24, len(text)) if text)
    yield from (("", unit) for unit in (*FILLS, *prefixes))
    yield from (("", prefix + end) for prefix in prefixes for end in " \\")
    yield from ((text, fill) for text in made for fill in ' \n"\\x0')


def grows(pattern: re.Pattern[Any], method: str, short: str, long: str) -> bool:
    """Whether the long text takes much more than its share; noise says so once, and an expression always."""
    much = seconds(pattern, method, long)
    return much > MEASURABLE and much > TOO_MUCH * seconds(pattern, method, short)


def slow_text(use: Use) -> str | None:
    """A text whose search takes more than linear time, if there is one."""
    for method, pattern, tree in alternatives(use):
        for head, unit in hostile(tree):
            short, long = (head + unit * (size // len(unit)) for size in (SHORT, LONG))
            if seconds(pattern, method, short) < MEASURABLE / TOO_MUCH:
                continue
            if all(grows(pattern, method, short, long) for _ in range(3)):
                return f"{use.where}: {head[:40]!r} and many {unit[:40]!r}"
    return None


def test_every_expression_takes_linear_time() -> None:
    found = list(uses())
    assert len(found) > 100
    assert [text for use in found if (text := slow_text(use))] == []
