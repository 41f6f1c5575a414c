"""Outputs that appear complete or not at all: made beside their place under another name, renamed at the end."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.command import tolerant_output
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import print_line

SETTINGS = 'settings.json'
"""The record of an unfinished output: what its content depends on."""


def run_command(
    name: str, output: Path, work: Callable[[], Iterable[str]], stopped: str = 'the same command resumes'
) -> int:
    """Print the lines that a command yields, or in one line why it failed.

    Args:
        name: What the message starts with.
        output: Where the command writes; named where an error of the disk names no file.
        work: The command.
        stopped: What an interruption means.

    Returns:
        Exit status: 0, 1 after a failure, 130 if interrupted.
    """
    try:
        with tolerant_output():
            for line in work():
                print_line(line, sys.stdout)
        return 0
    except KeyboardInterrupt:
        print_line(f'\n{name}: stopped; {stopped}', sys.stderr)
        return 130
    except OSError as error:  # a full disk, a folder without permission
        message = f'{error.filename or output}: {error.strerror or error}'
    except ValueError as error:
        message = str(error)
    print_line(f'{name}: {message}', sys.stderr)
    return 1


def human_bytes(count: float) -> str:
    """Write a number of bytes, e.g. `38.2GB` (decimal units)."""
    return tqdm.format_sizeof(count, 'B')


def partial_path(target: Path) -> Path:
    """Name the place of an unfinished output, where a later run finds it and resumes."""
    return target.with_name(f'{target.name}.partial')


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Stop if an output would replace something unasked."""
    if target.exists() and not overwrite:
        raise UserError(f'{target} exists already; --overwrite replaces it, or -o names another place')


def publish(target: Path, finished: Path | None = None) -> None:
    """Move a finished folder, by default at the partial path, into place; what it replaces is removed only then."""
    replaced = target.with_name(f'.{target.name}.replaced')
    if target.exists():
        discard(replaced)
        os.rename(target, replaced)
    os.rename(finished or partial_path(target), target)
    discard(replaced)


def discard(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def begin_or_resume(folder: Path, settings: Mapping[str, Any]) -> None:
    """Begin to fill a folder, with the settings (plain values) as `settings.json`; stop if others filled it."""
    record = folder / SETTINGS
    nothing_done = all(path == record or path.suffix == '.tmp' for path in folder.glob('*'))
    if nothing_done and not folder.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(record) as file:
            file.write(json.dumps(settings, indent=1).encode())
        return
    if not record.is_file():
        raise UserError(
            f'{folder} is in the way: without {SETTINGS} it cannot be resumed, as an earlier version began it or it is '
            'something else; remove it, or --restart to start over'
        )
    try:
        found = json.loads(record.read_bytes())
    except (OSError, ValueError):
        raise UserError(f'{record} is damaged: name another place, or --restart to start over') from None
    if differing := ', '.join(differences(found, settings)):
        raise UserError(
            f'{folder} was begun with other settings ({differing}): give the same to resume, or --restart to start over'
        )


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """List the settings that differ from those of an earlier run, e.g. `width 4 instead of 8`."""
    wanted = json.loads(json.dumps(wanted))  # tuples are lists in a record

    def shown(value: Any) -> Any:
        return 'none' if value is None else value

    return [
        f'{name} {shown(found.get(name))} instead of {shown(wanted.get(name))}'
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]


def check_space(needed: float, folder: Path, ignore: str = 'continue with --ignore-space') -> None:
    """Stop if a disk has less room than an output needs.

    Args:
        needed: Bytes.
        folder: Where the output goes; it need not exist yet.
        ignore: What else the user can do.
    """
    folder = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f'about {human_bytes(needed)} are needed, but {folder} has {human_bytes(free)} free: make room, name a '
            f'place on another disk with -o, or {ignore}'
        )


def number(kind: type[int] | type[float], least: float, most: float = 1e9) -> Callable[[str], Any]:
    """Make a reader of a command line's numbers, `int` or `float`, from `least` to `most`."""

    def read(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            bound = f'more than {most:g}' if value > most else f'less than {least:g}'
            raise argparse.ArgumentTypeError(f'{text} is {bound}')
        return value

    read.__name__ = kind.__name__  # for argparse's own message
    return read


positive = number(int, 1)
