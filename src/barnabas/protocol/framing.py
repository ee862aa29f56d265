"""The receiving end of a connection: a byte stream cut into frames.

A frame is a 4-byte big-endian size and that many bytes. What a read brings lands in a staging
buffer. Frames that are whole there are copied out into buffers of their own (a frame in staging is
small, so its copy is cheap, and staging can be used again at once). A frame of which only the
beginning came gets a buffer of exactly its size (unless it is huge), and the rest is received
straight into it. Hence every frame handed out owns its memory: valid, and writable, for as long as
somebody holds it.

For ``asyncio.BufferedProtocol``: ``get_buffer`` and ``buffer_updated``. For a plain ``Protocol``:
``feed``. Both directions of the protocol (requests and responses) are framed alike.
"""

from __future__ import annotations

from typing import Final

from barnabas.errors import InvalidRequest
from barnabas.limits import REQUEST_BYTES_MAX

STAGING_BYTES: Final = 64 * 1024
UNPROVEN_BYTES_MAX: Final = 2 * 1024 * 1024
"""Memory that a frame gets on the word of its size alone. A longer one gets more, four times what
it has, each time its bytes have filled that: idle claims of 100 MB cost little."""
_PREFIX: Final = 4


class FrameBuffer:
    """Bytes in, whole frames out.

    ``staging`` may be shared by the connections of one loop: between two calls of
    ``buffer_updated`` it holds nothing. A read must then follow its ``get_buffer`` at once, as
    asyncio's and uvloop's plain TCP transports do."""

    __slots__ = ("_bytes_max", "_filled", "_frame", "_head", "_size", "_staging", "_view")

    def __init__(
        self, bytes_max: int = REQUEST_BYTES_MAX, staging: bytearray | None = None
    ) -> None:
        self._bytes_max = bytes_max
        self._staging = bytearray(STAGING_BYTES) if staging is None else staging
        self._view = memoryview(self._staging)
        self._head = b""
        """A beginning of less than four bytes: not even the size of its frame is known."""
        self._frame: memoryview | None = None
        """A frame whose size is known but not all of its bytes have come; room for at least one
        byte more, perhaps not yet for ``_size``."""
        self._filled = 0
        self._size = 0

    @property
    def is_idle(self) -> bool:
        """Whether no frame has begun."""
        return self._frame is None and not self._head

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Where the next bytes belong; never empty."""
        if self._frame is not None:
            return self._frame[self._filled :]
        head = self._head
        if head:
            self._view[: len(head)] = head
            return self._view[len(head) :]
        return self._view

    def buffer_updated(self, count: int) -> list[memoryview]:
        """``count`` bytes were written to the start of ``get_buffer()``: the frames that are whole
        now, in order, without their sizes.

        Raises InvalidRequest for a size below zero or above the bound, before any memory is taken
        for it; frames that this read completed before the bad one are then lost with it."""
        if self._frame is None:
            count += len(self._head)
            self._head = b""
            return self._cut(count)
        self._filled += count
        if self._filled < len(self._frame):
            return []
        frame = self._frame
        if self._filled < self._size:
            self._frame = memoryview(bytearray(min(self._size, 4 * self._filled)))
            self._frame[: self._filled] = frame
            return []
        self._frame = None
        return [frame]

    def _cut(self, end: int) -> list[memoryview]:
        """Frames in the first ``end`` bytes of staging; keeps what is left."""
        staging, view = self._staging, self._view
        frames: list[memoryview] = []
        position = 0
        while end - position >= _PREFIX:
            start = position + _PREFIX
            size = int.from_bytes(staging[position:start], "big", signed=True)
            if not 0 <= size <= self._bytes_max:
                raise InvalidRequest(f"frame of {size} bytes, at most {self._bytes_max}")
            position = start + size
            if position > end:
                self._size = size
                self._filled = end - start
                room = max(UNPROVEN_BYTES_MAX, self._filled + 1)
                self._frame = memoryview(bytearray(min(size, room)))
                self._frame[: self._filled] = view[start:end]
                return frames
            frames.append(memoryview(bytearray(view[start:position])))
        self._head = bytes(view[position:end])
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
