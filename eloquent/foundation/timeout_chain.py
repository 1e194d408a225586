"""Who waits how long for whom, from the browser to the model: the one place where these numbers stand.

    browser ── CloudFront ── load balancer ── this server
    silence:   HEARTBEAT_S < LOAD_BALANCER_IDLE_S < CDN_READ_S                  whoever is nearer gives up first
    kept open: CDN_KEEP_ALIVE_S < LOAD_BALANCER_IDLE_S < SERVER_KEEP_ALIVE_S    nobody uses what the next one closes
    leaving:   LEAVING_S < STOP_TIMEOUT_S < DEREGISTRATION_S

Standard library alone, because what describes the platform (`deploy/`) reads it where Django is not installed.
`tests/foundation/test_timeout_chain.py` holds the order, and that each number is the one in force here;
`deploy/tests/test_timeouts.py` that the templates have them. All are seconds.
"""

from typing import Final

HEARTBEAT_S: Final = 10.0
"""A stream without words says so often that it is alive: as a comment in SSE, as a ping on a socket."""

SOCKET_PING_S: Final = 20.0
"""So often a websocket is pinged; uvicorn's own default, said here because the balancer counts on it."""

LOAD_BALANCER_IDLE_S: Final = 100
"""The load balancer closes a connection on which nothing was sent for so long. AWS's default is 60, the most 4,000."""

CDN_READ_S: Final = 120
"""CloudFront waits so long for the first byte and between two. Its default is 30; 120 is the most without asking."""

CDN_KEEP_ALIVE_S: Final = 5
"""CloudFront keeps an idle connection to the load balancer for so long: its default."""

SERVER_KEEP_ALIVE_S: Final = 110
"""Behind the load balancer this server keeps an idle connection for so long. Closing first, it would cut a request."""

DRAIN_S: Final = 97.0
"""After SIGTERM running answers may go on for so long."""

SAVING_S: Final = 5.0
"""Answers that were interrupted then are saved within this."""

LAST_CHUNKS_S: Final = 0.5
"""A stream whose run has just ended still has its last chunks to write."""

SERVER_CLOSING_S: Final = 5
"""uvicorn waits so long for connections to close, after all that."""

CLOSING_S: Final = 8.0
"""Then what is told other processes, charged and recorded has so long, all of it together, until it is let go of."""

LAST_SPANS_S: Final = 4.0
"""Last of all traces, metrics and reports that wait have so long to get away, side by side."""

LEAVING_S: Final = DRAIN_S + SAVING_S + LAST_CHUNKS_S + SERVER_CLOSING_S + CLOSING_S + LAST_SPANS_S
"""From SIGTERM to the end, whatever hangs."""

STOP_TIMEOUT_S: Final = 120
"""ECS kills a task so long after SIGTERM: the most that Fargate allows."""

DEREGISTRATION_S: Final = 300
"""The load balancer lets requests of a task that leaves go on for so long, before the task hears of it."""
