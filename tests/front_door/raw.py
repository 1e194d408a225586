"""Bytes to a server, and the bytes that it answers: for requests that no client would make."""

import asyncio
from urllib.parse import urlsplit


async def read_answer(server: str, request: bytes) -> bytes:
    """What the server answers until it closes the connection."""
    place = urlsplit(server)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            return await reader.read()
    finally:
        writer.close()
