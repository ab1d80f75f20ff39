"""An application whose requests burn CPU time: `/answer?burn=N` counts to N. `benchmarks/rotation.py` measures it.

With BURN_TIMED in the environment it times each burn by the thread's CPU clock, less what reading the clock twice
costs, and appends to the file of that name: nanoseconds and burns, of so many burns at a time.
"""

import os
from time import thread_time_ns

from fastapi import FastAPI

FILE = os.environ.get("BURN_TIMED")
AT_A_TIME = 200
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
    if FILE is None:
        count(burn)
    else:
        # The empty count beside it costs what reading the clock and calling costs, at the same moment.
        spent["nanoseconds"] += timed(burn) - timed(0)
        spent["burns"] += 1
        if spent["burns"] == AT_A_TIME:
            with open(FILE, "a", encoding="utf-8") as file:  # noqa: ASYNC230 - a microsecond in two hundred requests
                file.write(f"{spent['nanoseconds']} {spent['burns']}\n")
            spent.update(nanoseconds=0, burns=0)
    return {"answer": 42}  # the same, so that nothing differs but the burn
