"""Searching folders: any depth, and what cannot be looked at is reported and passed over."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def walk_files(
    folder: Path, on_error: Callable[[OSError], object], enter: Callable[[str], bool] = lambda name: True
) -> Iterator[Path]:
    """List the files below a folder, those of a folder in the order of their names; hidden ones are left out.

    Links count as files, whatever they lead to. `on_error` is told of each folder that cannot be searched, by the
    error's `filename`; `enter` says by its name whether a folder is searched. (`os.walk` drops errors unless told
    otherwise, and before Python 3.12 it recurses, so that a thousand levels end it.)
    """
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            on_error(error)
            continue
        entries = [entry for entry in entries if not entry.name.startswith('.')]
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from (here / entry.name for entry in entries if entry not in folders)
        waiting += [here / entry.name for entry in reversed(folders) if enter(entry.name)]
