"""The receiving end of a connection: a byte stream cut into frames, one at a time.

A frame is a 4-byte big-endian size and that many bytes. What a read brings lands in a staging
buffer, which may be shared by all connections of a loop. ``next_frame`` cuts whole frames out of
it, each copied into memory of its own (a frame in staging is small, so its copy is cheap). A frame
of which only the beginning came gets a buffer, and the rest is received straight into that.
``set_aside`` takes what is not cut yet out of staging. Hence every frame handed out owns its
memory: valid, and writable, for as long as somebody holds it.

Memory follows the bytes that came, not those that were announced: an unfinished frame has at most
twice what was received (4 KiB at least), or as much as a frame that this connection has
completed before took, up to ``PROVEN_BYTES_MAX``.

For ``asyncio.BufferedProtocol``: ``get_buffer``, then ``received`` and ``next_frame`` until None
(``buffer_updated`` does both). For a plain ``Protocol``: ``feed``. Both directions of the protocol
(requests and responses) are framed alike.
"""

from __future__ import annotations

from typing import Final

from barnabas.errors import InvalidRequest
from barnabas.limits import REQUEST_BYTES_MAX

STAGING_BYTES: Final = 64 * 1024
FIRST_BYTES: Final = 4 * 1024
"""What a frame that has begun gets at least."""
GROWTH: Final = 2
PROVEN_BYTES_MAX: Final = 2 * 1024 * 1024
"""A connection that has sent a frame of so many bytes is given as many at once for its next."""
READ_BYTES_MAX: Final = 1024 * 1024
"""Of one frame in one read: a reader of many connections decides again after so much."""
_PREFIX: Final = 4
_TLS_RECORD: Final = 0x1603
"""A handshake's first two bytes."""


class FrameBuffer:
    """Bytes in, whole frames out.

    A shared ``staging`` needs a transport that reads right after its ``get_buffer``, as asyncio's
    and uvloop's plain TCP transports do, and ``set_aside`` at the end of each ``buffer_updated`` in
    which frames were left uncut."""

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
        """A frame that announces more is refused; may be changed at any time."""
        self._view = memoryview(bytearray(STAGING_BYTES) if staging is None else staging)
        self._source: memoryview | None = None
        """Received and not cut yet, from ``_position`` to ``_end``: staging, or memory of ours."""
        self._position = 0
        self._end = 0
        self._head = b""
        """A beginning of less than four bytes: not even the size of its frame is known."""
        self._frame: memoryview | None = None
        """A frame whose size is known but not all of its bytes have come; perhaps there is not
        room yet for ``_size``. Nothing is uncut then."""
        self._filled = 0
        self._size = 0
        self._proven = 0

    @property
    def is_idle(self) -> bool:
        """Whether no frame has begun."""
        return self._frame is None and not self._head and self._source is None

    @property
    def is_unfinished(self) -> bool:
        """Whether a frame has begun of which bytes are missing, and nothing else is here."""
        return self._source is None and (self._frame is not None or bool(self._head))

    @property
    def has_more(self) -> bool:
        """Whether ``next_frame`` has something to look at."""
        return self._source is not None or (self._frame is not None and self._filled == self._size)

    @property
    def held(self) -> int:
        """Bytes of memory that this connection has of its own."""
        if self._frame is not None:
            return len(self._frame)
        if self._source is None or self._source is self._view:
            return len(self._head)
        return len(self._source)

    @property
    def filled(self) -> int:
        """Bytes of the unfinished frame that have come."""
        return self._filled if self._frame is not None else len(self._head)

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Where the next bytes belong; never empty."""
        if self._source is not None:
            self.set_aside()
            return self._view
        if self._frame is not None:
            if self._filled == self._size:
                return self._view  # it waits to be taken, and more comes
            return self._frame[self._filled : self._filled + READ_BYTES_MAX]
        head = self._head
        if head:
            self._view[: len(head)] = head
            return self._view[len(head) :]
        return self._view

    def received(self, count: int) -> None:
        """``count`` bytes were written to the start of ``get_buffer()``."""
        frame = self._frame
        if self._source is not None:  # uncut frames wait here, and more has come
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
        """Instead of ``received``, for what comes most: the frame, if the ``count`` bytes are that
        one frame and nothing else is here. None if not, and nothing has happened."""
        if self._frame is not None or self._source is not None or self._head:
            return None
        view = self._view
        size = count - _PREFIX
        if size < 0 or size > self.bytes_max or int.from_bytes(view[:_PREFIX], "big") != size:
            return None
        return memoryview(bytearray(view[_PREFIX:count]))

    def next_frame(self) -> memoryview | None:
        """The next frame that is whole, without its size; None if there is none yet.

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
        """A frame of which only the beginning came."""
        self._size = size
        self._filled = len(came)
        room = max(FIRST_BYTES, GROWTH * len(came), self._proven)
        self._frame = memoryview(bytearray(min(size, room)))
        self._frame[: len(came)] = came

    def set_aside(self) -> None:
        """Take what is not cut yet out of staging, which others may use now."""
        if self._source is self._view:
            self._source = memoryview(bytes(self._view[self._position : self._end]))
            self._end -= self._position
            self._position = 0

    def buffer_updated(self, count: int) -> list[memoryview]:
        """``received``, and every frame that is whole now, in order.

        Raises InvalidRequest as ``next_frame``; frames that this read completed before the bad one
        are then lost with it."""
        self.received(count)
        frames: list[memoryview] = []
        while (frame := self.next_frame()) is not None:
            frames.append(frame)
        return frames

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """The same for bytes that have already been received."""
        frames: list[memoryview] = []
        rest = memoryview(data)
        while rest:
            target = self.get_buffer()
            count = min(len(target), len(rest))
            target[:count] = rest[:count]
            frames += self.buffer_updated(count)
            rest = rest[count:]
        return frames
