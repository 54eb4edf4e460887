"""What host and worker say to each other over a socket pair: a JSON header and raw blobs, length-prefixed.

What the headers mean is not here: `worker_link` and `worker` know that.
"""

import asyncio
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_PREFIX = struct.Struct("!IQ")  # bytes of the header, bytes of all blobs together
JOIN_BELOW = 65_536
"""Frames smaller than this go out in one system call; the blobs of larger ones are not copied together first."""

Header = dict[str, Any]
Blobs = Sequence[bytes]


class FrameReader:
    """Bytes in, whole frames out, however the bytes were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PREFIX.size

    def feed(self, data: bytes) -> Iterator[tuple[Header, list[bytes]]]:
        """Add bytes; yield every frame that is now complete, in order."""
        self._buffer += data
        while len(self._buffer) >= self._wanted:
            header_size, blob_size = _PREFIX.unpack_from(self._buffer)
            whole = _PREFIX.size + header_size + blob_size
            if len(self._buffer) < whole:
                self._wanted = whole
                return
            yield self._cut(header_size, whole)
            self._wanted = _PREFIX.size

    def _cut(self, header_size: int, whole: int) -> tuple[Header, list[bytes]]:
        start = _PREFIX.size + header_size
        header: Header = json.loads(self._buffer[_PREFIX.size : start])
        blobs = []
        with memoryview(self._buffer) as view:
            for size in header.pop("blobs", ()):
                blobs.append(bytes(view[start : start + size]))
                start += size
        del self._buffer[:whole]
        return header, blobs


def write_frame(header: Mapping[str, Any], blobs: Blobs = ()) -> list[bytes]:
    """Return the pieces to send for one frame: few and joined when small, uncopied when large."""
    sizes = [len(blob) for blob in blobs]
    text = json.dumps({**header, "blobs": sizes} if sizes else header).encode()
    pieces = [_PREFIX.pack(len(text), sum(sizes)) + text, *blobs]
    return [b"".join(pieces)] if sum(sizes) < JOIN_BELOW else pieces


class FrameProtocol(asyncio.Protocol):
    """One end of the socket pair: calls back for each frame and once when the other end is gone."""

    def __init__(self, on_frame: Callable[[Header, list[bytes]], None], on_lost: Callable[[], None]) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        for header, blobs in self._reader.feed(data):
            self._on_frame(header, blobs)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102, ARG002 - asyncio's
        self._transport = None
        self._on_lost()

    def send(self, header: Mapping[str, Any], blobs: Blobs = ()) -> None:
        """Send a frame; silently nothing once the other end is gone, which `on_lost` has told already."""
        if self._transport is not None:
            for piece in write_frame(header, blobs):
                self._transport.write(piece)

    def close(self) -> None:
        """End the connection after what was sent has left."""
        if self._transport is not None:
            self._transport.close()
