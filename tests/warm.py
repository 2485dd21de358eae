"""Children of one pool for all tests of a process, kept as a worker keeps them: its templates are started once."""

from functools import cache

from workers.pool import Pool
from workers.processes import Children


def children() -> Children:
    """Those of a task of its own."""
    return Children(pool=_pool())


@cache
def _pool() -> Pool:
    return Pool(files=50)
