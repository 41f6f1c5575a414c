"""The options files that come with the package, found from any folder."""

import difflib
from pathlib import Path

from amsnet_basicsr.utils.text import say

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / 'option_files', _PACKAGE.parent / 'options')
"""Where an installation has them (setup.py puts them there), and where the repository has them."""


def find_options(path: str) -> str:
    """Find an options file: the user's own, or else the one of that name that ships, which is said in a line.

    A file that ships is `options/quickstart.yml` or `quickstart.yml`.

    Raises:
        ValueError: If there is no such file; the message names the nearest of those that come with the package.
    """
    if Path(path).exists():
        return path
    shipped = shipped_options()
    name = Path(path).as_posix().removeprefix('./').removeprefix('options/')
    if name in shipped:
        say(f'{path} is not in this folder; taking the one that comes with the package: {shipped[name]}')
        return str(shipped[name])
    near = difflib.get_close_matches(Path(path).name, shipped, n=3, cutoff=0.5)
    hint = f'; the package comes with {", ".join(near)}' if near else ''
    raise ValueError(f'{path} does not exist{hint}')


def shipped_options() -> dict[str, Path]:
    """List the options files that ship, by their names relative to the folder `options`."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob('*.yml'))} if folder else {}
