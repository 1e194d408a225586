"""Waking the task that makes exports: one was asked for here, and need not wait for its next look."""

import asyncio
from typing import Final

exports: Final = asyncio.Event()
