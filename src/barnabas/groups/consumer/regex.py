"""Regular expressions over topic names in time that is linear, whatever a client sends. Pure.

The syntax is RE2's, which the original uses: literals, ``.``, classes (also negated, with ranges
and Perl's ``\\d \\w \\s``), ``|``, groups (named, non-capturing, the flag i), ``* + ? {n,m}`` (lazy
ones match the same names), ``^ $ \\A \\z``. Look-around and back references do not exist in it.
Unicode classes (``\\p``), ``[[:alpha:]]``, ``\\b`` and other flags than i and s are refused, too.

An expression becomes an automaton without backtracking; the sets of its states that names lead to
are kept, so that the names of a large cluster cost a lookup a character.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from barnabas.errors import ErrorCode, KafkaError

PATTERN_LENGTH_MAX: Final = 1_000
STATES_MAX: Final = 1_000
"""Of one automaton: a repetition multiplies them."""
REPEAT_MAX: Final = 1_000
DEPTH_MAX: Final = 100
KEPT_MAX: Final = 100_000
"""Places in all kept transitions of one automaton; beyond that it starts to keep anew."""

_DIGITS = frozenset(string.digits)
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_SPACE = frozenset("\t\n\f\r ")
_ESCAPED_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_ESCAPED_CHARACTERS: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class _Class(NamedTuple):
    """Characters that fit: those in the set, or (negated) all others."""

    characters: frozenset[str]
    negated: bool = False

    def fits(self, character: str) -> bool:
        return (character in self.characters) is not self.negated


_ANY = _Class(frozenset("\n"), negated=True)
_REALLY_ANY = _Class(frozenset(), negated=True)
_BEGIN, _END = "begin", "end"


class _State:
    """One place in the automaton: a character leads on, or a condition, or nothing at all."""

    __slots__ = ("fits", "out")

    def __init__(self, fits: _Class | str | None = None) -> None:
        self.fits = fits
        self.out: list[int] = []


class _Piece(NamedTuple):
    """A part of the automaton: where it begins, and the place without contents where it ends."""

    start: int
    end: int


class TopicPattern:
    """One expression. Raises INVALID_REGULAR_EXPRESSION for what is not one."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        parser = _Parser(pattern)
        whole = parser.parse()
        self._states = parser.states
        self._accept = whole.end
        self._start = self._closure([whole.start], at_begin=True)
        self._kept: dict[tuple[tuple[int, ...], str], tuple[int, ...]] = {}
        self._kept_places = 0

    def matches(self, name: str) -> bool:
        """Whether all of the name fits."""
        places = self._start
        for character in name:
            if not places:
                return False
            places = self._after(places, character)
        # An empty name has its beginning and its end in one place.
        return self._accept in self._closure(places, at_begin=not name, at_end=True)

    def _after(self, places: tuple[int, ...], character: str) -> tuple[int, ...]:
        found = self._kept.get((places, character))
        if found is None:
            states = self._states
            following = [
                out
                for place in places
                if isinstance(fits := states[place].fits, _Class) and fits.fits(character)
                for out in states[place].out
            ]
            found = self._closure(following)
            self._keep(places, character, found)
        return found

    def _keep(self, places: tuple[int, ...], character: str, found: tuple[int, ...]) -> None:
        if self._kept_places >= KEPT_MAX:
            self._kept.clear()
            self._kept_places = 0
        self._kept[places, character] = found
        self._kept_places += len(places) + len(found)

    def _closure(
        self, places: list[int] | tuple[int, ...], *, at_begin: bool = False, at_end: bool = False
    ) -> tuple[int, ...]:
        """These places and all that can be reached from them without a character."""
        seen: dict[int, None] = {}
        stack = list(places)
        while stack:
            place = stack.pop()
            if place in seen:
                continue
            seen[place] = None
            state = self._states[place]
            if (
                state.fits is None
                or (state.fits == _BEGIN and at_begin)
                or (state.fits == _END and at_end)
            ):
                stack += state.out
        return tuple(sorted(seen))


class _Parser:
    """From the text to the automaton, by recursive descent."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > PATTERN_LENGTH_MAX:
            raise _invalid(f"more than {PATTERN_LENGTH_MAX} characters")
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._ignore_case = False
        self._dot_is_all = False
        self.states: list[_State] = []

    def parse(self) -> _Piece:
        piece = self._alternatives()
        if self._at < len(self._pattern):
            raise _invalid("a ) without a (")
        return piece

    # Automaton

    def _state(self, fits: _Class | str | None = None) -> int:
        if len(self.states) >= STATES_MAX:
            raise _invalid("the expression is too large")
        self.states.append(_State(fits))
        return len(self.states) - 1

    def _one(self, fits: _Class | str | None) -> _Piece:
        start, end = self._state(fits), self._state()
        self.states[start].out.append(end)
        return _Piece(start, end)

    def _link(self, place: int, *others: int) -> None:
        self.states[place].out.extend(others)

    # Text

    def _peek(self) -> str:
        return self._pattern[self._at] if self._at < len(self._pattern) else ""

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise _invalid("it ends too early")
        self._at += 1
        return character

    def _takes(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    # Grammar

    def _alternatives(self) -> _Piece:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _invalid("groups are nested too deeply")
        start, end = self._state(), self._state()
        while True:
            piece = self._sequence()
            self._link(start, piece.start)
            self._link(piece.end, end)
            if not self._takes("|"):
                break
        self._depth -= 1
        return _Piece(start, end)

    def _sequence(self) -> _Piece:
        start = end = self._state()
        while self._peek() not in ("", "|", ")"):
            piece = self._repeated()
            self._link(end, piece.start)
            end = piece.end
        return _Piece(start, end)

    def _repeated(self) -> _Piece:
        begin = self._at
        piece = self._atom()
        text_end = self._at
        bounds = self._repetition()
        if bounds is None:
            return piece
        self._takes("?")  # lazy: the same names match
        if self._repetition() is not None:
            raise _invalid("a repetition of a repetition")
        after = self._at
        least, most = bounds

        def again() -> _Piece:
            self._at = begin
            copy = self._atom()
            assert self._at == text_end
            return copy

        repeated = self._repeat(piece, again, least, most)
        self._at = after
        return repeated

    def _repeat(
        self, piece: _Piece, again: Callable[[], _Piece], least: int, most: int | None
    ) -> _Piece:
        start = end = self._state()
        copies = self._copies(piece, again)
        for _ in range(least if most is not None or least == 0 else least - 1):
            copy = next(copies)
            self._link(end, copy.start)
            end = copy.end
        finish = self._state()
        if most is None:
            copy = next(copies)
            if least == 0:
                self._link(end, finish)
            self._link(end, copy.start)
            self._link(copy.end, copy.start, finish)
            return _Piece(start, finish)
        for _ in range(most - least):
            copy = next(copies)
            self._link(end, copy.start, finish)
            end = copy.end
        self._link(end, finish)
        return _Piece(start, finish)

    def _copies(self, piece: _Piece, again: Callable[[], _Piece]) -> Iterator[_Piece]:
        yield piece
        while True:
            yield again()

    def _repetition(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(sign):
                return bounds
        if self._peek() != "{":
            return None
        inside, brace, _ = self._pattern[self._at + 1 :].partition("}")
        low, comma, high = inside.partition(",")
        if not brace or not _is_number(low) or (high and not _is_number(high)):
            return None  # RE2: a brace that is no repetition is a brace
        self._at += len(inside) + 2
        least = int(low)
        most = least if not comma else (int(high) if high else None)
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least):
            raise _invalid(f"the repetition {{{inside}}}")
        return least, most

    def _atom(self) -> _Piece:
        character = self._take()
        if character == "(":
            return self._group()
        if character == "[":
            return self._one(self._cased(self._class()))
        if character == ".":
            return self._one(_REALLY_ANY if self._dot_is_all else _ANY)
        if character == "^":
            return self._one(_BEGIN)
        if character == "$":
            return self._one(_END)
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise _invalid(f"nothing to repeat before {character}")
        return self._one(self._cased(_Class(frozenset(character))))

    def _group(self) -> _Piece:
        flags = (self._ignore_case, self._dot_is_all)
        if self._takes("?"):
            if self._takes("P<") or self._takes("<"):
                self._name()
            elif not self._takes(":") and self._flags():
                return self._one(None)
        piece = self._alternatives()
        if not self._takes(")"):
            raise _invalid("a ( without a )")
        self._ignore_case, self._dot_is_all = flags
        return piece

    def _name(self) -> None:
        name, bracket, _ = self._pattern[self._at :].partition(">")
        if not bracket or not name or not frozenset(name) <= _WORD:
            raise _invalid("the name of a group")
        self._at += len(name) + 1

    def _flags(self) -> bool:
        """Flags after ``(?``; whether they hold for what follows the group."""
        on = True
        while True:
            flag = self._take()
            if flag == "-":
                on = False
            elif flag == "i":
                self._ignore_case = on
            elif flag == "s":
                self._dot_is_all = on
            elif flag in ":)":
                return flag == ")"
            else:
                raise _invalid(f"(?{flag} is not supported")

    def _escape(self) -> _Piece:
        character = self._take()
        if character == "A":
            return self._one(_BEGIN)
        if character == "z":
            return self._one(_END)
        if character == "Q":
            return self._quoted()
        return self._one(self._cased(self._escaped(character)))

    def _quoted(self) -> _Piece:
        text, found, _ = self._pattern[self._at :].partition("\\E")
        self._at += len(text) + (2 if found else 0)
        start = end = self._state()
        for character in text:
            piece = self._one(self._cased(_Class(frozenset(character))))
            self._link(end, piece.start)
            end = piece.end
        return _Piece(start, end)

    def _escaped(self, character: str) -> _Class:
        known = _ESCAPED_CLASSES.get(character.lower())
        if known is not None:
            return _Class(known, negated=character.isupper())
        if character in _ESCAPED_CHARACTERS:
            return _Class(frozenset(_ESCAPED_CHARACTERS[character]))
        if character.isalnum():
            raise _invalid(f"the escape \\{character}")
        return _Class(frozenset(character))

    def _class(self) -> _Class:
        negated = self._takes("^")
        included: set[str] = set()
        excluded: frozenset[str] | None = None
        first = True
        while first or self._peek() != "]":
            first = False
            low = self._class_member()
            if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("", "]"):
                self._at += 1
                included |= _range(low, self._class_member())
            elif low.negated:
                excluded = low.characters if excluded is None else excluded & low.characters
            else:
                included |= low.characters
        self._at += 1
        if excluded is not None:
            return _Class(excluded - included, negated=not negated)
        return _Class(frozenset(included), negated)

    def _class_member(self) -> _Class:
        if self._pattern.startswith("[:", self._at):
            raise _invalid("[: is not supported")
        character = self._take()
        if character == "\\":
            return self._escaped(self._take())
        return _Class(frozenset(character))

    def _cased(self, fits: _Class) -> _Class:
        if not self._ignore_case:
            return fits
        both = [c for each in fits.characters for c in (each.lower(), each.upper())]
        return _Class(frozenset(c for c in both if len(c) == 1), fits.negated)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _range(low: _Class, high: _Class) -> frozenset[str]:
    if len(low.characters) != 1 or len(high.characters) != 1 or low.negated or high.negated:
        raise _invalid("a range in a class")
    (first,), (last,) = low.characters, high.characters
    if last < first:
        raise _invalid(f"the range {first}-{last}")
    # Topic names are ASCII: nothing beyond it needs to be kept.
    end = min(ord(last), max(127, ord(first)))
    return frozenset(chr(code) for code in range(ord(first), end + 1))


def _invalid(why: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REGULAR_EXPRESSION, why)
