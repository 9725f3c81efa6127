"""Compression of WebSocket messages: permessage-deflate (RFC 7692).

What is agreed on is negotiated by the extension of `websockets`; the coding is done here, on zlib, a piece at
a time, so that neither a bomb nor a large message ever takes more memory than a message may have.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

EMPTY_BLOCK = b"\x00\x00\xff\xff"  # RFC 7692 §7.2.1: what ends each message, and isn't sent

# A window of 4 KiB and as little memory for the compressor take a tenth of zlib's usual 300 KiB a connection,
# and compress JSON of a few KiB as well.
WINDOW_BITS = 12
MEMORY_LEVEL = 5
LEVEL = 3  # two thirds of the time of zlib's usual 6, for two hundredths more bytes (JSON of 1 KiB)
STEP = 262144  # bytes that are inflated at a time
SMALL = 128  # bytes below which a message is sent as it is


# What it makes is asked for what was agreed on, and let go: the little memory is for a compressor never used.
_FACTORY = ServerPerMessageDeflateFactory(
    server_max_window_bits=WINDOW_BITS,
    client_max_window_bits=WINDOW_BITS,
    compress_settings={"memLevel": 1},
)


class Deflate:
    """Both directions of one connection.

    Args:
        agreed: what was negotiated.
        field: the value of Sec-WebSocket-Extensions that says so.
    """

    __slots__ = (
        "_client_bits",
        "_client_forgets",
        "_deflater",
        "_inflater",
        "_server_bits",
        "_server_forgets",
        "field",
    )

    def __init__(self, agreed: PerMessageDeflate, field: bytes) -> None:
        self.field = field
        # The windows, as powers of two; and who begins each message with an empty one.
        self._client_bits = agreed.remote_max_window_bits
        self._server_bits = agreed.local_max_window_bits
        self._client_forgets = agreed.remote_no_context_takeover
        self._server_forgets = agreed.local_no_context_takeover
        # Made when they are needed: many WebSockets never see a message worth compressing.
        self._deflater: zlib._Compress | None = None
        self._inflater: zlib._Decompress | None = None

    def deflate(self, data: bytes) -> bytes:
        """A whole message, compressed."""
        deflater = self._deflater
        if deflater is None:
            deflater = zlib.compressobj(LEVEL, wbits=-self._server_bits, memLevel=MEMORY_LEVEL)
            if not self._server_forgets:
                self._deflater = deflater
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, data: bytes, last: bool) -> Iterator[tuple[bytes, bool]]:
        """What `data` gives, in pieces of bounded size, and of each whether another one follows.

        Args:
            data: the next piece of a message, as it came.
            last: the message ends with it.

        Raises:
            ValueError: it is no deflated data.
        """
        if last:
            data += EMPTY_BLOCK
        more = True
        while more:
            inflater = self._inflater
            if inflater is None:
                inflater = self._inflater = zlib.decompressobj(wbits=-self._client_bits)
            try:
                piece = inflater.decompress(data, STEP)
            except zlib.error as error:
                raise ValueError(f"a message can't be decompressed: {error}") from None
            data = inflater.unconsumed_tail
            more = bool(data) or len(piece) == STEP
            if inflater.eof:
                # RFC 7692 §7.2.3.5: a block may say that it is the last one. What follows it begins anew.
                self._inflater, data = None, inflater.unused_data
                more = bool(data) and not (last and data == EMPTY_BLOCK)
            if last and not more and self._client_forgets:
                self._inflater = None
            yield piece, more


def agree(offers: bytes) -> Deflate | None:
    """What to make of a Sec-WebSocket-Extensions field, all its lines joined; None for no compression.

    The first offer that can be met is taken (RFC 6455 §9.1, RFC 7692 §7.1).

    Raises:
        ValueError: the field is malformed.
    """
    try:
        offered = parse_extension(offers.decode("latin-1"))
    except InvalidHeader as error:
        raise ValueError(str(error)) from None
    for name, parameters in offered:
        if name != PerMessageDeflate.name:
            continue
        try:
            answer, agreed = _FACTORY.process_request_params(parameters, ())
        except NegotiationError:
            continue
        return Deflate(agreed, build_extension([(name, answer)]).encode())
    return None
