"""The settings that an ablation compares, and the runs that they need."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amsnet_basicsr.options.force_yml import apply_force_yml
from amsnet_basicsr.options.reader import read_options

#: What each ablation is compared with: the paper's choice, or the middle. Others: the first by name.
REFERENCES = {
    'table3': 'amsnet_da',
    'table4': 'restormer',
    'strides': '5_2',
    'mask_ratio': 'k2',
    'loss': 'l1',
    'lambda': '0.01',
    'rate': 'batch2_lr0.001',
}


@dataclass(frozen=True)
class Setting:
    """One options file of an ablation.

    Attributes:
        name: The file's name without `.yml`.
        file: The file.
        options: What it says.
        start: Name of the setting whose weights it starts from or tests, if there is one.
    """

    name: str
    file: Path
    options: dict[str, Any]
    start: str | None = None

    @property
    def trains(self) -> bool:
        """Whether it trains; else it is a test of the weights of `start`."""
        return 'train' in self.options


@dataclass(frozen=True)
class Run:
    """A setting with one seed.

    Attributes:
        setting: The setting.
        seed: Its `manual_seed`.
        start: The run whose weights it needs, if it needs any.
    """

    setting: Setting
    seed: int
    start: 'Run | None' = None

    @property
    def label(self) -> str:
        """How messages and files call it."""
        return f'{self.setting.name}_seed{self.seed}'

    @property
    def experiment(self) -> str:
        """Name of its folder in `experiments/` or `results/`."""
        return f'{self.setting.options["name"]}_seed{self.seed}'

    @property
    def changes(self) -> list[str]:
        """What is forced upon the file, as `--force_yml` takes it."""
        changes = [f'manual_seed={self.seed}', f'name={self.experiment}']
        if self.start is not None:
            changes.append(f'path:pretrain_network_g=experiments/{self.start.experiment}/models/net_g_latest.pth')
        return changes

    @property
    def options(self) -> dict[str, Any]:
        """The options that it runs with."""
        return json.loads(json.dumps(apply_force_yml(self.setting.options, self.changes), default=str))

    @property
    def report(self) -> str:
        """Where its report comes to lie, relative to the working folder."""
        if self.setting.trains:
            return f'experiments/{self.experiment}/report/report.md'
        return f'results/{self.experiment}/report.md'


def ablation_names(folder: Path) -> list[str]:
    """List the ablations: the folders with options files.

    Args:
        folder: Such as `options/ablation`.

    Returns:
        Their names, sorted.
    """
    return sorted(path.name for path in folder.iterdir() if any(path.glob('*.yml'))) if folder.is_dir() else []


def read_settings(folder: Path) -> dict[str, Setting]:
    """Read all settings of an ablation.

    Args:
        folder: With a file for each; what lies deeper isn't read.

    Returns:
        The settings by name, sorted.

    Raises:
        ValueError: If a file is no good, or two have one `name:`.
    """
    files = {path.stem: path for path in sorted(folder.glob('*.yml'), key=lambda path: path.stem)}
    options = {name: read_options(str(path)) for name, path in files.items()}
    by_experiment: dict[str, str] = {}
    for name, content in options.items():
        for key in ('name', 'manual_seed'):
            if key not in content:
                raise ValueError(f'{files[name]}: {key} is missing')
        if not isinstance(content.get('report'), Mapping):
            raise ValueError(f'{files[name]}: report is missing: say e.g. report: {{refine: [~, {{type: R3}}]}}')
        other = by_experiment.setdefault(str(content['name']), name)
        if other != name:
            raise ValueError(f'{files[name]}: name {content["name"]} is that of {files[other].name}; give it another')
    settings = {}
    for name, content in options.items():
        weights = str((content.get('path') or {}).get('pretrain_network_g') or '')
        parts = Path(weights).parts
        start = by_experiment.get(parts[1]) if len(parts) > 2 and parts[0] == 'experiments' else None
        if start == name or ('train' not in content and start is None):
            raise ValueError(f'{files[name]}: path.pretrain_network_g must name the weights of another setting')
        settings[name] = Setting(name, files[name], content, start)
    return settings


def plan_runs(settings: Mapping[str, Setting], seeds: Iterable[int], wanted: Iterable[str] | None = None) -> list[Run]:
    """List the runs, each after the one whose weights it needs, one seed after the other.

    Args:
        settings: All settings of the ablation.
        seeds: The seeds.
        wanted: Names of the settings to run, with those that they need; default: all.

    Returns:
        The runs.

    Raises:
        ValueError: If settings need each other's weights in a circle.
    """
    wanted = list(settings if wanted is None else wanted)
    return list(_runs(settings, seeds, wanted))


def _runs(settings: Mapping[str, Setting], seeds: Iterable[int], wanted: list[str]) -> Iterator[Run]:
    for seed in seeds:
        made: dict[str, Run] = {}
        for name in wanted:
            chain = [name]
            while (start := settings[chain[-1]].start) is not None:
                if start in chain:
                    raise ValueError(f'{settings[name].file}: needs the weights of {start}, which needs its weights')
                chain.append(start)
            for link in reversed(chain):
                if link not in made:
                    made[link] = Run(settings[link], seed, made.get(settings[link].start or ''))
                    yield made[link]


def missing_data(settings: Iterable[Setting], root: Path) -> str | None:
    """Find the first data that isn't there.

    Args:
        settings: The settings.
        root: The working folder, which relative paths begin at.

    Returns:
        What is missing, in words, or None.
    """
    for setting in settings:
        for phase, dataset in (setting.options.get('datasets') or {}).items():
            for key in ('dataroot_lq', 'dataroot_gt', 'meta_info_file'):
                path = (dataset or {}).get(key)
                if path and not (root / str(path)).exists():
                    return f'{setting.file}: datasets.{phase}.{key}: there is no {root / str(path)}'
    return None
