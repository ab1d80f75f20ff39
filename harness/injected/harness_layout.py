"""Where each of a worker's counters is in mapped memory: unsigned 64-bit numbers, written by the entry in the server's
process, read by the harness. Copied beside the entry; imports nothing."""

(
    STARTED,
    FINISHED,  # with the last byte of the answer
    RETURNED,  # with the application's call, which may go on after its answer
    NODELAY,  # TCP_NODELAY on the connection of the first request: one of the four states below
    PARSER,  # which of the adapter's parsers had been imported at the first request, counted from 1
    # Sums over samples, with how many there were: threads of AnyIO's limiter in use, and requests that wait for one.
    THREAD_SAMPLES,
    THREADS_USED,
    THREADS_WAITING,
    # Of psycopg's pools: connections, and since the start requests, those that had to wait, and for how long in all.
    POOL_SIZE,
    POOL_REQUESTS,
    POOL_QUEUED,
    POOL_WAIT_MS,
    BYTES,  # of answers' bodies, as the application gave them
    COLLECTOR,  # 1: the garbage collector tells how long it stops this worker
    COLLECTING_US,  # for how long full collections did in all, those that took a millisecond or more
) = range(15)
NOT_LOOKED, OFF, ON, UNKNOWN = range(4)
# From here on a histogram of the event loop's lag: how late something is that becomes ready at any moment. Bucket b
# holds lags below 2^(b / 4) × 0.1 ms that no lower one holds.
LAG_FIRST, LAG_BUCKETS = 16, 84
# And then how often a request was seen waiting for each of these.
WAITS = (
    "its own code",
    "a connection of SQLAlchemy's pool",
    "a connection of psycopg's pool",
    "a connection of asyncpg's pool",
    "a connection of redis' pool",
    "a connection of httpx's pool",
    "a connection of urllib3's pool",
    "a connection of aiohttp's pool",
    "a connection of pymongo's pool",
    "the database",
    "Redis",
    "another service",
    "a sleep",
    "a free thread",
    "a lock",
    "a queue",
    "a process",
)
WAIT_FIRST = LAG_FIRST + LAG_BUCKETS
# And how long these took, in the same buckets as lags.
PAUSE_FIRST = WAIT_FIRST + len(WAITS)
SLOTS = PAUSE_FIRST + LAG_BUCKETS
