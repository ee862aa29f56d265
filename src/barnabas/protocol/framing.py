"""NetworkReceive: splits the bytes that a connection receives into frames.

A frame is a 4-byte big-endian size and that many bytes; requests and responses have the same form.
Each read goes into a staging buffer, which all connections of a loop may share. ``next_frame``
copies whole frames out of it (they are small, so that is cheap). If only the beginning of a frame
has come, the frame gets a buffer of its own, and its rest is received directly into that.
``set_aside`` moves bytes that are not a frame yet out of staging. So each frame has memory of its
own, which stays valid and writable as long as somebody holds it.

A connection gets memory for the bytes that came, not for those that were announced. An unfinished
frame has at most twice what was received (at least 4 KiB). If the connection has completed a larger
frame before, it has as much as that one took, up to ``PROVEN_BYTES_MAX``.

With ``asyncio.BufferedProtocol`` use ``get_buffer``, then ``received`` and ``next_frame`` until
None (``buffer_updated`` does both). With a plain ``Protocol`` use ``feed``.
"""

from __future__ import annotations

from typing import Final

from barnabas.errors import InvalidRequest
from barnabas.limits import REQUEST_BYTES_MAX

STAGING_BYTES: Final = 64 * 1024
FIRST_BYTES: Final = 4 * 1024
"""The least memory of a frame that has begun."""
GROWTH: Final = 2
PROVEN_BYTES_MAX: Final = 2 * 1024 * 1024
"""If a connection has sent a frame of up to this size, its next one gets as much memory at once."""
READ_BYTES_MAX: Final = 1024 * 1024
"""The most bytes of one frame in one read, so that other connections are not kept waiting."""
API_KEY_BYTES: Final = 2
"""The API, with which a request begins."""
_PREFIX: Final = 4
_TLS_RECORD: Final = 0x1603
"""The first two bytes of a TLS handshake."""


class FrameBuffer:
    """Takes bytes, and gives whole frames.

    A shared ``staging`` has two conditions. The transport must read right after ``get_buffer``, as
    plain TCP transports of asyncio and uvloop do. And ``set_aside`` must be called at the end of
    each ``buffer_updated`` that left bytes in staging."""

    __slots__ = (
        "_end",
        "_filled",
        "_frame",
        "_head",
        "_position",
        "_proven",
        "_size",
        "_source",
        "_view",
        "bytes_max",
    )

    def __init__(
        self, bytes_max: int = REQUEST_BYTES_MAX, staging: bytearray | None = None
    ) -> None:
        self.bytes_max = bytes_max
        """A frame that announces more is refused. It may be changed at any time."""
        self._view = memoryview(bytearray(STAGING_BYTES) if staging is None else staging)
        self._source: memoryview | None = None
        """Received bytes that are not split yet, from ``_position`` to ``_end``. This is staging,
        or memory of this connection."""
        self._position = 0
        self._end = 0
        self._head = b""
        """The beginning of a frame whose size is not complete yet: less than four bytes."""
        self._frame: memoryview | None = None
        """A frame whose size is known, but that is not complete. It may not have memory for all of
        ``_size`` yet. While there is one, ``_source`` is None."""
        self._filled = 0
        self._size = 0
        self._proven = 0

    @property
    def is_idle(self) -> bool:
        """Whether no frame has begun to arrive."""
        return self._frame is None and not self._head and self._source is None

    @property
    def is_unfinished(self) -> bool:
        """Whether there is only an incomplete frame."""
        return self._source is None and (self._frame is not None or bool(self._head))

    @property
    def has_more(self) -> bool:
        """Whether there are bytes that ``next_frame`` has not looked at."""
        return self._source is not None or (self._frame is not None and self._filled == self._size)

    @property
    def held(self) -> int:
        """How many bytes of memory this connection has of its own."""
        if self._frame is not None:
            return len(self._frame)
        if self._source is None or self._source is self._view:
            return len(self._head)
        return len(self._source)

    @property
    def filled(self) -> int:
        """How many bytes of the incomplete frame have come."""
        return self._filled if self._frame is not None else len(self._head)

    @property
    def pending(self) -> tuple[int, int] | None:
        """The size and the API of a frame too long for staging that has begun to come, and was not
        taken."""
        if self._frame is None or self._filled < API_KEY_BYTES:
            return None
        return self._size, int.from_bytes(self._frame[:API_KEY_BYTES], "big")

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Where to write the next bytes; never empty."""
        if self._source is not None:
            self.set_aside()
            return self._view
        if self._frame is not None:
            if self._filled == self._size:
                return self._view  # there are bytes to split; more are added to them
            return self._frame[self._filled : self._filled + READ_BYTES_MAX]
        head = self._head
        if head:
            self._view[: len(head)] = head
            return self._view[len(head) :]
        return self._view

    def received(self, count: int) -> None:
        """``count`` bytes were written to the start of ``get_buffer()``."""
        frame = self._frame
        if self._source is not None:  # bytes were added to those that wait to be split
            uncut = bytes(self._source[self._position : self._end]) + self._view[:count]
            self._source, self._position, self._end = memoryview(uncut), 0, len(uncut)
            return
        if frame is None or self._filled == self._size:
            self._source = self._view
            self._position = 0
            self._end = len(self._head) + count
            self._head = b""
            return
        self._filled += count
        if self._filled == len(frame) < self._size:
            self._frame = memoryview(bytearray(min(self._size, GROWTH * self._filled)))
            self._frame[: self._filled] = frame

    def only_frame(self, count: int) -> memoryview | None:
        """The frame, if the ``count`` bytes are exactly one frame and nothing else is there. None
        otherwise; then call ``received``. This is faster for the most frequent case."""
        if self._frame is not None or self._source is not None or self._head:
            return None
        view = self._view
        size = count - _PREFIX
        if size < 0 or size > self.bytes_max or int.from_bytes(view[:_PREFIX], "big") != size:
            return None
        return memoryview(bytearray(view[_PREFIX:count]))

    def keep_frame(self, count: int) -> bool:
        """``received`` and ``set_aside`` if ``only_frame`` would give a frame, which is kept for
        ``kept_frame``; whether it would."""
        if self._frame is not None or self._source is not None or self._head:
            return False
        size = count - _PREFIX
        if size < 0 or size > self.bytes_max or int.from_bytes(self._view[:4], "big") != size:
            return False
        self._source, self._position, self._end = (
            memoryview(bytearray(self._view[:count])),
            0,
            count,
        )
        return True

    def kept_frame(self) -> memoryview | None:
        """What ``keep_frame`` has kept, if nothing has come since."""
        source = self._source
        if source is None or source.readonly or source is self._view:
            return None
        self._source = None
        return source[_PREFIX:]

    def next_frame(self) -> memoryview | None:
        """The next whole frame, without its size; None if there is none yet.

        Raises InvalidRequest for a size below zero or above the bound, before any memory is taken
        for it."""
        frame = self._frame
        if frame is not None:
            if self._filled < self._size:
                return None
            self._frame = None
            self._proven = min(max(self._proven, self._size), PROVEN_BYTES_MAX)
            return frame
        source, position, end = self._source, self._position, self._end
        if source is None:
            return None
        start = position + _PREFIX
        if start > end:
            self._head = bytes(source[position:end])
            self._source = None
            return None
        size = int.from_bytes(source[position:start], "big", signed=True)
        if not 0 <= size <= self.bytes_max:
            hint = " (it looks like TLS)" if size >> 16 == _TLS_RECORD else ""
            raise InvalidRequest(f"frame of {size} bytes, at most {self.bytes_max}{hint}")
        stop = start + size
        if stop > end:
            self._begin(size, source[start:end])
            self._source = None
            return None
        if stop == end:
            self._source = None
        else:
            self._position = stop
        return memoryview(bytearray(source[start:stop]))

    def _begin(self, size: int, came: memoryview) -> None:
        """Begin a frame of which only ``came`` has arrived."""
        self._size = size
        self._filled = len(came)
        room = max(FIRST_BYTES, GROWTH * len(came), self._proven)
        self._frame = memoryview(bytearray(min(size, room)))
        self._frame[: len(came)] = came

    def set_aside(self) -> None:
        """Move bytes that are not split yet out of staging, so that others can use it."""
        if self._source is self._view:
            self._source = memoryview(bytes(self._view[self._position : self._end]))
            self._end -= self._position
            self._position = 0

    def buffer_updated(self, count: int) -> list[memoryview]:
        """Call ``received``, and return all frames that are whole now, in order.

        Raises InvalidRequest as ``next_frame`` does; then frames before the bad one are lost
        too."""
        self.received(count)
        frames: list[memoryview] = []
        while (frame := self.next_frame()) is not None:
            frames.append(frame)
        return frames

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """``buffer_updated`` for bytes that were already received."""
        frames: list[memoryview] = []
        rest = memoryview(data)
        while rest:
            target = self.get_buffer()
            count = min(len(target), len(rest))
            target[:count] = rest[:count]
            frames += self.buffer_updated(count)
            rest = rest[count:]
        return frames
