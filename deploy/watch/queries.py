"""Questions to the logs that are asked again and again, saved where people look for them (Logs Insights). Pure.

They speak of `request_id`, `user`, `run_id`, `route`, `status`, `code` and `ms`: fields of a line as
`eloquent/foundation/logs.py` and `eloquent/middleware.py` write it.
"""

from typing import Final

_LINE: Final = "fields @timestamp, level, event, route, status, code, ms, user, run_id, request_id, trace_id"

SAVED: Final = {
    "by request": f'{_LINE}\n| filter request_id = "REQUEST"\n| sort @timestamp asc\n| limit 1000',
    "by user": f'{_LINE}\n| filter user = "USER"\n| sort @timestamp desc\n| limit 1000',
    "by run": f'{_LINE}, exception\n| filter run_id = "RUN"\n| sort @timestamp asc\n| limit 1000',
    "slowest routes": (
        'filter event = "request" and ispresent(route)\n'
        "| stats count(*) as requests, pct(ms, 50) as p50, pct(ms, 95) as p95, max(ms) as slowest by method, route\n"
        "| sort p95 desc\n| limit 50"
    ),
    "refusals by code": (
        'filter event = "request" and ispresent(code)\n'
        "| stats count(*) as refusals, count_distinct(user) as users by code, status, route\n"
        "| sort refusals desc\n| limit 50"
    ),
    "errors": (
        'filter level in ["error", "critical"]\n'
        "| stats count(*) as times, latest(@timestamp) as last, latest(request_id) as request by logger, event\n"
        "| sort times desc\n| limit 50"
    ),
}
"""By name. What is written in capitals is put in by whoever asks."""
