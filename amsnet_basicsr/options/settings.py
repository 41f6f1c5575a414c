"""Find what `-opt FILE.yml:SETTING` names: a file of the user or one that ships, and a setting of it.

A file may have several settings of one base, for comparisons such as those in options/ablation:

    base: base/small.yml                  # another options file, relative to this one
    name: ablation_loss                   # any option: changes the base for all settings
    reference: l1                         # the setting that tables compare with
    settings:
      l1: {}
      l2: {train: {mask_opt: {type: MaskL2Loss}}}
      l2_test: {weights: l2, train: ~}

A setting's own name is `name:` with `_SETTING`. `weights: OTHER` starts from, or tests, what another setting trained.
"""

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.utils.text import did_you_mean, one_line, say

#: Where an installation has the files that ship (setup.py puts them there), and where the repository has them.
_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / 'option_files', _PACKAGE.parent / 'options')


@dataclass(frozen=True)
class Setting:
    """One setting of a comparison: its name, the file it is from, its complete options.

    `start` is the setting whose weights it starts from or tests, if there is one.
    """

    name: str
    file: Path
    options: dict[str, Any]
    start: str | None = None

    @property
    def trains(self) -> bool:
        """Whether it trains; else it only tests weights."""
        return 'train' in self.options


@dataclass(frozen=True)
class Comparison:
    """All settings of a file by name, in its order, and the one that the others are compared with."""

    settings: dict[str, Setting]
    reference: str


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay changes over options.

    Groups are merged key by key, but a group of another `type:` replaces the base's, whose keys are not its own. `~`
    takes a key out; anything else replaces what was there.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            old = old if isinstance(old, dict) else {}
            merged[key] = merge(old if value.get('type', old.get('type')) == old.get('type') else {}, value)
        else:
            merged[key] = value
    return merged


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


def split_setting(path: str) -> tuple[str, str | None]:
    """Split `FILE.yml:SETTING`, as a command line names a setting, into file and setting (None if there is none)."""
    for ending in ('.yml:', '.yaml:'):
        file, found, setting = path.rpartition(ending)
        if found:
            return file + ending[:-1], setting
    return path, None


def read_setting(file: str, name: str | None = None) -> dict[str, Any]:
    """Read one complete set of options from a file with or without `settings:`.

    Raises:
        ValueError: If the file cannot be read, or has no such setting, or several and none is named.
    """
    if name is None and 'settings' not in (options := read_options(file)):
        return _on_base(file, options)
    settings = read_comparison(file).settings
    if name is None:
        raise ValueError(
            f'{file} has several settings; name one, e.g. {file}:{next(iter(settings))}, of {", ".join(settings)}'
        )
    if name not in settings:
        raise ValueError(no_such(f'{file} has no setting', name, settings))
    return settings[name].options


def read_comparison(file: str | Path) -> Comparison:
    """Read all settings of a file.

    Raises:
        ValueError: If the file cannot be read, or its settings make no sense; the message names the file.
    """
    options = read_options(str(file))
    settings, reference = options.pop('settings', None), options.pop('reference', None)
    options = _on_base(str(file), options)
    if not isinstance(settings, dict) or not settings:
        raise ValueError(f'{file}: settings is missing: say e.g. settings: {{a: {{}}, b: {{scheme: {{branches: 4}}}}}}')
    if not isinstance(options.get('name'), str):
        raise ValueError(f'{file}: name is missing; settings are called by it and their own name')
    if reference is not None and reference not in settings:
        raise ValueError(no_such(f'{file}: reference: there is no setting', reference, settings))
    expanded = {name: _expand(Path(file), options, settings, name) for name in settings}
    return Comparison(expanded, reference or next(iter(settings)))


def no_such(what: str, name: Any, known: Mapping[str, Any]) -> str:
    """Say that a name is not among the known ones, with the nearest."""
    return f'{what} {one_line(repr(name), 80)}; {did_you_mean(name, known, "there are")}'


def _expand(file: Path, common: dict[str, Any], settings: dict[str, Any], name: str) -> Setting:
    if not isinstance(settings[name], dict):
        raise ValueError(f'{file}: settings.{name} must be a group of options; {{}} changes nothing')
    changes = dict(settings[name])
    start = changes.pop('weights', None)
    options = merge(common, changes) | {'name': f'{common["name"]}_{name}'}
    if start is not None:
        if start not in settings or start == name:
            raise ValueError(no_such(f'{file}: settings.{name}.weights: there is no other setting', start, settings))
        weights = f'experiments/{common["name"]}_{start}/models/net_g_latest.pth'
        options = merge(options, {'path': {'pretrain_network_g': weights, 'param_key_g': 'params_ema'}})
    elif 'train' not in options and not (options.get('path') or {}).get('pretrain_network_g'):
        raise ValueError(f'{file}: settings.{name} trains nothing, so it needs weights: the name of a setting')
    return Setting(name, file, copy.deepcopy(options), start)


def _on_base(file: str, options: dict[str, Any]) -> dict[str, Any]:
    """Lay options over the file that their `base:` names."""
    base = options.pop('base', None)
    if base is None:
        return options
    if not isinstance(base, str):
        raise ValueError(f'{file}: base must be an options file, relative to this one')
    below = read_options(str(Path(file).parent / base))
    if 'base' in below or 'settings' in below:
        raise ValueError(f'{file}: base: {base} must be complete options, without base or settings of its own')
    return merge(below, options)
