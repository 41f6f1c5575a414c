"""Outputs that appear whole or not at all: made beside their place under another name, renamed at the end."""

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.utils.atomic_write import atomic_write

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not told apart
    fcntl = None


def partial_path(target: Path) -> Path:
    """Where an output lies until it is whole; a later run finds it there and goes on.

    Args:
        target: The output.

    Returns:
        The same name with `.partial` behind it.
    """
    return target.with_name(f'{target.name}.partial')


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Stop if an output would take the place of something.

    Args:
        target: The output.
        overwrite: Whether it may.

    Raises:
        PrepareError: If it exists and must stay.
    """
    if target.exists() and not overwrite:
        raise PrepareError(f'{target} exists already; --overwrite replaces it, or -o names another place')


def publish(partial: Path, target: Path) -> None:
    """Put a whole folder into its place; what was there goes only then.

    Args:
        partial: The folder that is whole.
        target: Its place. Something there must be free to be replaced.
    """
    replaced = target.with_name(f'.{target.name}.replaced')
    if target.exists():
        _remove(replaced)
        os.rename(target, replaced)
    os.rename(partial, target)
    _remove(replaced)


def discard(partial: Path) -> None:
    """Remove what an earlier run left, if anything.

    Args:
        partial: The unfinished folder.
    """
    _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep a second run from writing to the same place.

    Args:
        folder: The output being made; the lock is a file beside it. It ends with the process, however that ends.

    Raises:
        PrepareError: If another run has it.
    """
    lock = folder.with_name(f'.{folder.name}.lock')
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open('w')
    except OSError as error:
        raise PrepareError(f'{folder} cannot be made: {error.strerror}') from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise PrepareError(f'another run is writing {folder}; wait for it to end') from None
        try:
            yield
        finally:
            # While the lock is held, so that it is nobody else's.
            with suppress(OSError):
                lock.unlink()


def compare_settings(folder: Path, record: Path, settings: Mapping[str, Any], begun: bool) -> None:
    """Record by what settings files are made, or compare them with those of the run that began.

    Args:
        folder: Where the files are made.
        record: Where the settings are recorded, JSON.
        settings: What the content depends on, plain values.
        begun: Whether an earlier run left files.

    Raises:
        PrepareError: If the settings differ, or what is there has no record.
    """
    settings = json.loads(json.dumps(settings))
    if not begun:
        with atomic_write(record) as file:
            file.write(json.dumps(settings, indent=1).encode())
        return
    try:
        found = json.loads(record.read_bytes())
    except (OSError, ValueError):
        raise PrepareError(
            f'{folder} holds files, but {record} is missing or damaged: name another place, or --restart to begin anew'
        ) from None
    if found != settings:
        raise PrepareError(
            f'{folder} was begun with other settings ({describe_differences(found, settings)}): give the same to go '
            'on, or --restart to begin anew'
        )


def describe_differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in which settings two runs differ.

    Args:
        found: Those of the earlier run.
        wanted: Those of this one.

    Returns:
        For example `size 256 instead of 512`.
    """
    return ', '.join(
        f'{name} {found.get(name)} instead of {wanted.get(name)}'
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    )


def check_space(needed: int, folder: Path) -> None:
    """Stop if a disk has less room than an output will need.

    Args:
        needed: Bytes.
        folder: Where the output goes; it need not exist yet.

    Raises:
        PrepareError: If there is less; the message has both figures.
    """
    while not folder.exists():
        folder = folder.absolute().parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise PrepareError(
            f'about {human_bytes(needed)} are needed, but {folder} has {human_bytes(free)} free: make room, name a '
            'place on another disk with -o, or go ahead with --ignore-space'
        )


def human_bytes(count: float) -> str:
    """Write a number of bytes for people.

    Args:
        count: The number.

    Returns:
        For example `38.2 GB` (decimal units).
    """
    if count < 1000:
        return f'{count:.0f} bytes'
    units = ['kB', 'MB', 'GB', 'TB']
    power = min(int(math.log10(count)) // 3, len(units))
    return f'{count / 1000**power:.1f} {units[power - 1]}'
