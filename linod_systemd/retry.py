"""How often, and after how long, a job that failed is tried again."""

FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0  # seconds


def wait_before(attempt: int) -> float:
    """Seconds from the end of the previous attempt: 2, 4, 8, … at most 300.

    :param attempt: the number of the coming one, from 2.
    """
    return min(FIRST_WAIT * 2.0 ** min(attempt - 2, 20), LONGEST_WAIT)


def longest(timeout: float, retries: int) -> float:
    """Seconds that all attempts and the waits between them may take."""
    return timeout * (retries + 1) + sum(wait_before(attempt) for attempt in range(2, retries + 2))
