"""Which lines of the log are counted: the collector's errors, and the application's. Pure.

A pattern is applied to lines as `eloquent/foundation/logs.py` and the collector write them: `tests/observing` does so.
"""

from typing import Final

from deploy.watch.series import COLLECTOR_ERRORS, LOGGED_ERRORS

# A line of the collector's has its place in the source (`caller`), one of ours its logger.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
PATTERNS: Final = {
    COLLECTOR_ERRORS: '{ ($.level = "error" || $.level = "fatal") && $.caller = "*" }',
    LOGGED_ERRORS: '{ ($.level = "error" || $.level = "critical") && $.logger = "*" }',
}
