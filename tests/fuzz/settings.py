"""How many inputs the fuzz tests try: a few in any test run, as many as AMSNET_FUZZ says in a long one."""

import os


def examples(quick: int) -> int:
    """Number of inputs to try.

    Args:
        quick: The number in a usual test run.

    Returns:
        The environment variable AMSNET_FUZZ if it is set, else `quick`.
    """
    return int(os.environ.get('AMSNET_FUZZ') or quick)


def is_long() -> bool:
    """Whether more inputs than usual are asked for; then they differ from run to run."""
    return bool(os.environ.get('AMSNET_FUZZ'))
