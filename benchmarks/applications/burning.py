"""An application whose requests burn CPU time: `/answer?burn=N` counts to N.

With BURN_TIMED in the environment it times each burn by the thread's CPU clock; `/truth` tells the mean in seconds
since it was asked last, less what reading the clock twice costs.
"""

import os
from time import thread_time_ns

from fastapi import FastAPI

TIMED = "BURN_TIMED" in os.environ
app = FastAPI(openapi_url=None)
spent = {"nanoseconds": 0, "burns": 0}


def count(times: int) -> None:
    """What burns."""
    done = 0
    while done < times:
        done += 1


def timed(times: int) -> int:
    """CPU time of a burn, in nanoseconds."""
    began = thread_time_ns()
    count(times)
    return thread_time_ns() - began


@app.get("/answer", response_model=None)
async def answer(burn: int = 0) -> dict[str, int]:
    """Burn, and answer."""
    if not TIMED:
        count(burn)
    else:
        # The empty count beside it costs what reading the clock and calling costs, at the same moment.
        spent["nanoseconds"] += timed(burn) - timed(0)
        spent["burns"] += 1
    return {"answer": 42}  # the same, so that nothing differs but the burn


@app.get("/truth", response_model=None)
async def truth() -> dict[str, float]:
    """Mean CPU time of a burn."""
    found = spent["nanoseconds"] / spent["burns"] / 1e9 if spent["burns"] else 0.0
    spent.update(nanoseconds=0, burns=0)
    return {"seconds": found}
