"""A comparison of settings: run, stopped, resumed, tabulated with means and errors."""

import csv
import functools
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import psutil
import pytest

from amsnet_basicsr.options.settings import read_comparison
from tests.conftest import REPOSITORY
from tests.fork_server import ForkServer
from tests.pipeline.options import TINY_DNCNN, train_options, write

SCRIPT = REPOSITORY / 'scripts' / 'run_ablation.py'
REPORT = """\
| progress: 2 images | PSNR dB | SSIM | s/MP |
|---|---|---|---|
| noisy input | 20.00 | 0.2000 |  |
| Gaussian blur, best sigma (1.3) | 25.50 | 0.6000 |  |
| AMSNet, no refinement | {0:.2f} | {1:.4f} | 1.2 |
| AMSNet, R3 (samples 8, prob 0.16) | {2:.2f} | 0.7000 | 14.1 |

| report: 3 images | PSNR dB | SSIM | s/MP |
|---|---|---|---|
| noisy input | 21.00 | 0.2100 |  |
| Gaussian blur, best sigma (2.0) | 26.50 | 0.6100 |  |
| AMSNet, no refinement | 28.00 | -0.0312 | 1.2 |
| AMSNet, R3 (samples 8, prob 0.16) | 28.50 | 0.7100 | 14.1 |
"""


@pytest.fixture(scope='module')
def ablation() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / 'scripts')
        yield importlib.import_module('run_ablation')


@pytest.fixture
def root(make_folder, tmp_path: Path, monkeypatch) -> Path:
    """A working folder with data, as `--root`."""
    make_folder('noisy', 2, (48, 56))
    make_folder('clean', 2, (48, 56), 9)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('PYTHONWARNINGS', 'ignore')
    return tmp_path


class Forked:
    """Instead of `subprocess.Popen`: a command in a fork, see `ForkServer`."""

    def __init__(self, server: ForkServer, command: list[str], cwd: Path, stdout: Any, **others: Any) -> None:
        self.server, self.returncode, log = server, None, Path(stdout.name).absolute()
        self.process = server.start(*command[1:], cwd=cwd, stdout=log, stderr=log)

    def poll(self) -> int | None:
        ended = self.returncode is None and psutil.Process(self.process).status() == psutil.STATUS_ZOMBIE
        if ended:
            self.returncode = self.server.wait(self.process)
        return self.returncode


@pytest.fixture
def forked(ablation, fork_server, monkeypatch) -> None:
    """Runs are forks of one process, as loading PyTorch takes longer than they do."""
    runner = importlib.import_module('ablation.runner')
    names = {'DEVNULL': subprocess.DEVNULL, 'STDOUT': subprocess.STDOUT}
    monkeypatch.setattr(runner, 'subprocess', SimpleNamespace(Popen=functools.partial(Forked, fork_server), **names))


def common(iterations: int) -> dict[str, Any]:
    options = train_options('noisy', report={'refine': [None]})
    pairs = {'name': 'pairs', 'type': 'PairedImageDataset', 'dataroot_lq': 'noisy', 'dataroot_gt': 'clean',
             'io_backend': {'type': 'disk'}}  # fmt: skip
    options['datasets']['val'] = pairs
    options['scale'] = 1
    options['train'].update(total_iter=iterations, scheduler={'type': 'MultiStepLR', 'milestones': [1], 'gamma': 0.5})
    del options['val']
    options['logger']['save_checkpoint_freq'] = 10**6
    return options


#: Changes that make a setting a test of the weights of `b` at another stride.
TEST_OF_B: dict[str, Any] = {
    'weights': 'b', 'train': None, 'logger': None, 'datasets': {'train': None}, 'val': {'save_img': False},
    'scheme': {'test_stride': 1},
}  # fmt: skip


def write_all(root: Path, iterations: int = 2, **settings: dict[str, Any]) -> None:
    """Write options/tiny.yml with these settings."""
    (root / 'options').mkdir(exist_ok=True)
    write(root / 'options' / 'tiny.yml', {**common(iterations), 'settings': settings}, plugin=True)


def arguments(root: Path, *more: object) -> list[str]:
    return ['tiny', '--options', str(root / 'options'), '--root', str(root), *map(str, more)]


def wait_for(condition: Callable[[], Any], process: int, printed: Path) -> None:
    """Wait until something is true while a process runs."""
    while not condition():
        assert psutil.Process(process).status() != psutil.STATUS_ZOMBIE, printed.read_text(encoding='utf-8')
        time.sleep(0.02)


def test_a_comparison_is_run_stopped_and_resumed(ablation, root, request, capsys):
    """Two settings and two seeds; `b` is a test of the weights of `a`, which comes first in each seed."""
    write_all(root, 150, a=TEST_OF_B, b={})
    runs = root / 'results' / 'ablation' / 'tiny' / 'runs'
    log = runs / 'b_seed0.log'

    printed = root / 'printed'
    server = request.getfixturevalue('fork_server')
    process = server.start(SCRIPT, *arguments(root, '--seeds', 0, 1), cwd=root, stdout=printed, stderr=printed)
    wait_for(lambda: list(runs.glob('*.log')), process, printed)
    with pytest.raises(SystemExit, match='another run is writing'):
        ablation.main(arguments(root))
    wait_for(lambda: log.is_file() and 'iter:       2,' in log.read_text(), process, printed)
    os.kill(process, signal.SIGINT)
    code, said = server.wait(process), printed.read_text()
    assert code == 130 and 'No run is finished' in said and '--seeds 0 1' in said, said
    folder = root / 'experiments' / 'tiny_b_seed0' / 'training_states'
    states = [int(path.stem) for path in folder.glob('[0-9]*.state')]
    assert len(states) == 1 and 2 <= states[0] < 150

    request.getfixturevalue('forked')
    page = root / 'page.md'
    begin, end = ablation.marks('tiny')
    page.write_text(f'# Title\n{begin}\nold\n{end}\nrest\n')
    assert ablation.main(arguments(root, '--seeds', 0, 1, '--jobs', 2, '--write', page)) == 0
    resumed = re.search(rf'Resuming training from epoch: (\d+), iter: {states[0]}\.', log.read_text())
    # A stop at the last iteration of an epoch may be saved as of this one or of the next.
    assert int(resumed[1]) in {(states[0] - 1) // 10, states[0] // 10}, resumed
    seeds = {seed: json.loads((runs / f'b_seed{seed}.json').read_text()) for seed in (0, 1)}
    assert [seeds[seed]['options']['manual_seed'] for seed in (0, 1)] == [0, 1]
    assert json.loads((runs / 'a_seed1.json').read_text())['options']['path']['pretrain_network_g'] == (
        'experiments/tiny_b_seed1/models/net_g_latest.pth'
    )

    results = root / 'results' / 'ablation' / 'tiny'
    rows = list(csv.DictReader((results / 'results.csv').open()))
    measured = {(r['setting'], r['seed'], r['psnr_db']) for r in rows if r['method'] == 'no refinement'}
    for name, report in [('a', 'results/tiny_a_seed{}'), ('b', 'experiments/tiny_b_seed{}/report')]:
        for seed in ('0', '1'):
            text = (root / report.format(seed) / 'report.md').read_text()
            assert any(row[:2] == (name, seed) and f'no refinement | {float(row[2]):.2f} |' in text for row in measured)
    assert len(measured) == 4 and len({psnr for _, _, psnr in measured}) > 2  # seeds and strides make a difference
    table = (results / 'table.md').read_text()
    assert table.count('±') >= 2 and '| a | 2 |' in table and '| b | 2 |' in table
    assert page.read_text().startswith(f'# Title\n{begin}\n') and page.read_text().endswith(f'{end}\nrest\n')
    assert table.strip() in page.read_text() and 'old' not in page.read_text()
    for image in (results / 'plot.png', root / 'images' / 'ablation_tiny.png'):
        assert cv2.imread(str(image)).std() > 5

    capsys.readouterr()
    assert ablation.main(arguments(root, '--seeds', 0, 1)) == 0
    said = capsys.readouterr().out
    assert said.startswith('4 of 4 runs are finished already\n') and table in said
    assert ablation.main(arguments(root, '--collect')) == 0
    assert capsys.readouterr().out.startswith(table)

    write_all(root, 151, a=TEST_OF_B, b={})
    with pytest.raises(
        SystemExit, match=r'^error: .*tiny\.yml:b: train\.total_iter is no longer what .*b_seed0\.json was'
    ):
        ablation.main(arguments(root, '--seeds', 0, 1))


def test_a_failed_run_is_named_and_the_others_run(ablation, forked, root, capsys):
    write_all(root, a=TEST_OF_B, b={'network_g': dict(TINY_DNCNN, type='DnCMM')}, c={})
    assert ablation.main(arguments(root)) == 1
    said = capsys.readouterr().out
    assert 'b_seed0 failed (exit status 1); the end of' in said and "did you mean 'DnCNN'" in said
    assert 'a_seed0 is left out: it needs the weights of b_seed0' in said
    assert '| c | 1 |' in said and 'Not run yet: a, b.' in said and '±' not in said


def test_the_table_has_means_errors_and_paired_differences(ablation, tmp_path):
    figures_of, runs = importlib.import_module('ablation.figures'), importlib.import_module('ablation.runs')
    tables = importlib.import_module('ablation.tables')
    figures = {
        ('x', 0): (30.00, 0.80, 31.00), ('x', 1): (31.00, 0.90, 31.10),
        ('y', 0): (30.50, 0.81, 30.00), ('y', 1): (31.70, 0.85, 30.00), ('y', 2): (40.00, 0.89, 30.00),
    }  # fmt: skip
    records = [
        runs.Record(name, seed, {}, figures_of.read_report(REPORT.format(*values)))
        for (name, seed), values in figures.items()
    ]
    lines = tables.table(records, ['x', 'y', 'z'], 'x').splitlines()
    assert lines[0] == (
        '| setting | seeds | progress, no refinement | minus x | progress, R3 (samples 8, prob 0.16) | minus x '
        '| report, no refinement | report, R3 (samples 8, prob 0.16) |'
    )
    assert lines[2] == '| noisy input |  | 20.00 / .2000 |  | 20.00 / .2000 |  | 21.00 / .2100 | 21.00 / .2100 |'
    assert lines[3].startswith('| blur |  | 25.50 / .6000 |  | 25.50')
    # Deviation of 30 and 31: 1/√2; of 30.5, 31.7 and 40 around 34.0667: √(12.7211+5.6011+35.2044)/√2 = 5.17.
    assert lines[4].startswith('| x | 2 | 30.50 ± 0.71 / .8500 |  | 31.05 ± 0.07 / .7000 |  | 28.00 ± 0.00 / -.0312 |')
    # Differences of the seeds in common: 0.5 and 0.7, mean 0.6, standard error 0.1, Student's t of one degree 12.706.
    assert lines[5].startswith('| y | 3 | 34.07 ± 5.17 / .8500 | +0.60 (-0.67 to +1.87) | 30.00 ± 0.00 / .7000 |')
    assert lines[-1] == 'Not run yet: z.' and len(lines) == 10

    tables.write_csv(tmp_path / 'results.csv', records)
    rows = list(csv.reader((tmp_path / 'results.csv').open()))
    assert len(rows) == 1 + 5 * 8 and ['y', '2', 'progress', 'no refinement', '40.0', '0.89'] in rows


def test_a_report_without_tables_is_refused(ablation):
    read_report = importlib.import_module('ablation.figures').read_report
    for text in ('', 'No set has ground truth, so there is nothing to compare.\n'):
        with pytest.raises(ValueError, match='no table'):
            read_report(text)


def test_every_comparison_that_ships_can_be_planned(ablation, capsys):
    assert ablation.main(['--list']) == 0
    listed = dict(line.split(': ') for line in capsys.readouterr().out.splitlines())
    assert {'table3', 'table4', 'strides', 'mask_ratio', 'lambda', 'rate'} <= set(listed)
    plan_runs = importlib.import_module('ablation.runs').plan_runs
    for name, names in listed.items():
        read = read_comparison(ablation.OPTIONS / f'{name}.yml').settings
        runs = plan_runs(read, [0, 5])
        assert ', '.join(read) == names and len(runs) == 2 * len(read)
        for position, run in enumerate(runs):
            assert run.start is None or (runs.index(run.start) < position and run.start.seed == run.seed)
    only = plan_runs(read_comparison(ablation.OPTIONS / 'lambda.yml').settings, [0], ['0.1'])
    assert [run.label for run in only] == ['start_seed0', '0.1_seed0']


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--only', 'c'], "tiny has no setting 'c'; there are: a, b"),
        (['--reference', 'c'], "tiny has no setting 'c'; there are: a, b"),
        (['--write', 'nowhere.md'], 'nowhere.md: the lines <!-- measured by'),
        (['--root', 'nowhere'], 'tiny.yml: datasets.val.dataroot_lq: there is no '),
        (['--options', 'nowhere'], "has no comparison 'tiny'; there are: none"),
    ],
)
def test_bad_input_is_one_line_before_anything_starts(ablation, root, monkeypatch, more, message):
    write_all(root, a=TEST_OF_B, b={})
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as stopped:
        ablation.main(arguments(root, *more))
    assert message in str(stopped.value) and '\n' not in str(stopped.value)
    assert not (root / 'results').exists()


@pytest.mark.parametrize('more', [['--seeds', '0', '0'], ['--seeds', '-1'], ['--jobs', '0'], []])
def test_bad_arguments_are_told(ablation, capsys, more):
    with pytest.raises(SystemExit, match='2'):
        ablation.main([*(['mask_ratio'] if more else []), *more])
    assert (more[0] if more else 'NAME is missing; there are: ') in capsys.readouterr().err.splitlines()[-1]


def test_a_misspelt_name_is_told_with_the_nearest(ablation):
    with pytest.raises(SystemExit, match=r"no comparison 'mask_rato'; did you mean 'mask_ratio'\?"):
        ablation.main(['mask_rato'])


def test_settings_that_need_each_others_weights_are_told(ablation, root):
    write_all(root, a=TEST_OF_B, b={'weights': 'a'})
    with pytest.raises(SystemExit, match=r"tiny\.yml: a, b need each other's weights"):
        ablation.main(arguments(root))


def test_a_broken_record_is_told(ablation, root):
    write_all(root, a={})
    record = root / 'results' / 'ablation' / 'tiny' / 'runs' / 'a_seed0.json'
    record.parent.mkdir(parents=True)
    record.write_text('{')
    with pytest.raises(SystemExit, match=r'a_seed0\.json is no record of a run; delete it'):
        ablation.main(arguments(root))


def test_matplotlib_is_asked_for_before_hours_of_work(ablation, root, monkeypatch):
    write_all(root, a={})
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    with pytest.raises(SystemExit, match=r"^error: the plot needs matplotlib: pip install -e '\.\[plots\]'$"):
        ablation.main(arguments(root))
