"""frozen: `sleep` in a process whose garbage collector leaves alone what was made before the first request.

So nothing but the sleep takes a thread, and how many requests so many threads hold is known by simulation.
"""

import functools
import gc
from dataclasses import replace

from harness.handlers.workload import Answer, Milliseconds
from harness.handlers.workloads import sleep


@functools.cache
def freeze() -> None:
    """At the first request, by which the answer is verified before the load."""
    gc.collect()
    gc.freeze()


def sync_twin(ms: Milliseconds = 100) -> Answer:
    """Block the calling thread for `ms`."""
    freeze()
    return sleep.sync_twin(ms)


async def async_twin(ms: Milliseconds = 100) -> Answer:
    """Await `ms`."""
    freeze()
    return await sleep.async_twin(ms)


WORKLOAD = replace(
    sleep.WORKLOAD,
    name="frozen",
    summary="sleep, with all that was made at the start left out of garbage collections",
    sync_twin=sync_twin,
    async_twin=async_twin,
)
