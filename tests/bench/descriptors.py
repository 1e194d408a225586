"""Thousands of connections in one process: as many open files as the machine allows."""

import resource


class TooFewFilesError(Exception):
    """The machine allows fewer open files than the measure needs; the text says how many."""


def allow_many(needed: int = 0) -> None:
    """Raise this process's bound on open files to the hard limit. Children inherit it.

    Raises:
        TooFewFilesError: the hard limit is below `needed`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewFilesError(f"{needed} open files are needed in one process, the hard limit is {hard}")
