"""The runs that a comparison needs, and the record that stays of each."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablation.figures import Figure

from amsnet_basicsr.options.force_yml import apply_force_yml
from amsnet_basicsr.options.settings import Setting
from amsnet_basicsr.utils.atomic_write import atomic_write


@dataclass(frozen=True)
class Run:
    """A setting with one seed, and the run whose weights it needs, if it needs any."""

    setting: Setting
    seed: int
    start: 'Run | None' = None

    @property
    def label(self) -> str:
        """What messages and files call it."""
        return f'{self.setting.name}_seed{self.seed}'

    @property
    def experiment(self) -> str:
        """Name of its folder in `experiments/` or `results/`."""
        return f'{self.setting.options["name"]}_seed{self.seed}'

    @property
    def changes(self) -> list[str]:
        """What is changed in the setting, as `--force_yml` takes it."""
        changes = [f'manual_seed={self.seed}', f'name={self.experiment}']
        if self.start is not None:
            changes.append(f'path:pretrain_network_g=experiments/{self.start.experiment}/models/net_g_latest.pth')
        return changes

    @property
    def options(self) -> dict[str, Any]:
        """The options that it runs with."""
        return json.loads(json.dumps(apply_force_yml(self.setting.options, self.changes)))

    @property
    def report(self) -> str:
        """Its report, relative to the working folder."""
        folder = f'experiments/{self.experiment}/report' if self.setting.trains else f'results/{self.experiment}'
        return f'{folder}/report.md'


def plan_runs(settings: Mapping[str, Setting], seeds: Iterable[int], wanted: Iterable[str] | None = None) -> list[Run]:
    """List the runs of the wanted settings (default: all), each after the one whose weights it needs, seed by seed.

    Raises:
        ValueError: If settings need each other's weights in a circle.
    """
    return list(_runs(settings, seeds, list(settings if wanted is None else wanted)))


def _runs(settings: Mapping[str, Setting], seeds: Iterable[int], wanted: list[str]) -> Iterator[Run]:
    for seed in seeds:
        made: dict[str, Run] = {}
        for name in wanted:
            chain = [name]
            while (start := settings[chain[-1]].start) is not None:
                if start in chain:
                    raise ValueError(f"{settings[name].file}: {', '.join(chain)} need each other's weights")
                chain.append(start)
            for link in reversed(chain):
                if link not in made:
                    made[link] = Run(settings[link], seed, made.get(settings[link].start or ''))
                    yield made[link]


def missing_data(settings: Iterable[Setting], root: Path) -> str | None:
    """Describe the first data set that is not below the working folder; None if all are."""
    for setting in settings:
        for phase, dataset in (setting.options.get('datasets') or {}).items():
            for key in ('dataroot_lq', 'dataroot_gt', 'meta_info_file'):
                path = (dataset or {}).get(key)
                if path and not (root / str(path)).exists():
                    return f'{setting.file}: datasets.{phase}.{key}: there is no {root / str(path)}'
    return None


@dataclass
class Record:
    """What is known of one run; a file that stays when its experiment's folder is deleted.

    `options` are those that it began with; `figures` is its report, once it is finished.
    """

    setting: str
    seed: int
    options: dict[str, Any]
    figures: list[Figure] | None = None

    @staticmethod
    def read(path: Path) -> 'Record | None':
        """Read a record, if there is one.

        Raises:
            ValueError: If the file is no record.
        """
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            figures = content['figures'] and [Figure(**figure) for figure in content['figures']]
            return Record(content['setting'], content['seed'], content['options'], figures)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'{path} is no record of a run; delete it, and the run is done again') from None

    def write(self, path: Path) -> None:
        """Write it atomically; the folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


def record_file(folder: Path, run: Run) -> Path:
    """The file of a run's record, in the folder of the comparison's results."""
    return folder / 'runs' / f'{run.label}.json'


def recorded_seeds(folder: Path) -> list[int]:
    """The seeds that there are records of, sorted."""
    found = (re.search(r'_seed(\d+)$', path.stem) for path in (folder / 'runs').glob('*.json'))
    return sorted({int(match[1]) for match in found if match})


def read_records(folder: Path, runs: Sequence[Run]) -> dict[str, Record]:
    """Read the records that there are of these runs, by label.

    Raises:
        ValueError: If one was made with other options: its figures would be compared with those of another setting.
    """
    records = {}
    for run in runs:
        record = Record.read(record_file(folder, run))
        if record is not None:
            if changed := difference(record.options, run.options):
                raise ValueError(
                    f'{run.setting.file}:{run.setting.name}: {changed} is no longer what {record_file(folder, run)} '
                    f'was made with; delete that and {run.experiment} in experiments/, or name another --root'
                )
            records[run.label] = record
    return records


def difference(old: Mapping[str, Any], new: Mapping[str, Any], where: str = '') -> str | None:
    """Find the first option that differs: its path with dots, or None."""
    for key in dict.fromkeys([*old, *new]):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            if found := difference(old[key], new[key], f'{where}{key}.'):
                return found
        elif key not in old or key not in new or old[key] != new[key]:
            return f'{where}{key}'
    return None
