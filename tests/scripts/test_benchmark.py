"""The benchmarks: a table with a figure for everything, put where it belongs; both sides compute alike."""

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
import yaml

from amsnet_basicsr.archs import ARCHS
from tests.archs.test_conformance import DATA, VECTORS
from tests.archs.weights_from_names import fill_by_name
from tests.conftest import REPOSITORY, noisy_image

QUICK = '--count 3 --size 48 --crop 40 --crops 4 --rounds 1'
BEGIN, END = '<!-- measured by scripts/benchmark.py data -->', '<!-- end of data -->'


@pytest.fixture(scope='module')
def benchmark() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / 'scripts')
        yield importlib.import_module('benchmark')


@pytest.fixture
def run(benchmark, capsys, tmp_path, monkeypatch) -> Callable[[str], str]:
    def start(arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        benchmark.main(arguments.split())
        return capsys.readouterr().out

    return start


def rows(text: str) -> dict[str, list[float]]:
    """Figures by what was read."""
    lines = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')
    ]
    return {line[0]: [float(cell.replace(',', '')) for cell in line[1:]] for line in lines[2:]}


def test_patches_made_on_the_spot(run):
    out = run(f'data {QUICK} --workers 0 1')
    found = rows(out)
    assert list(found) == ['folder', 'LMDB', 'memory (`cache_mb: 2000`)']
    assert all(len(figures) == 2 and min(figures) > 0 for figures in found.values())
    assert '3 images of 48×48' in out and 'crops of 40×40 in batches of 2' in out


def test_own_folders_and_databases(run, make_folder, make_lmdb):
    folder = make_folder('mine')
    assert list(rows(run(f'data {QUICK} --workers 0 --dataroot {folder}'))) == ['folder', 'memory (`cache_mb: 2000`)']
    found = run(f'data {QUICK} --workers 0 --dataroot {make_lmdb(folder)} --cache-mb 1')
    assert list(rows(found)) == ['LMDB', 'memory (`cache_mb: 1`)'] and '4 images of 72×64' in found


def test_the_patches_are_noisy_and_the_same_in_folder_and_lmdb(benchmark, tmp_path):
    from benchmarks import data

    files, database = data.write_patches(tmp_path, 6, 330)
    sources = [data.open_source('x', root, 300, 0).dataset for root in (files, database)]
    for index in range(6):
        first, second = (source._decode(source.entries[index]) for source in sources)
        np.testing.assert_array_equal(first, second)
        assert first.shape == (330, 330, 3)
        assert (first - cv2.medianBlur(first, 5).astype(float)).std() > 2


def test_rounds_take_turns(benchmark):
    calls = []

    def measure(name: str, values: list[float]) -> Callable[[], float]:
        return lambda: calls.append(name) or values.pop()

    measurements = {'a': measure('a', [1, 9, 2]), 'b': measure('b', [5, 5, 50])}
    from benchmarks.data import median_of_rounds

    assert median_of_rounds(measurements, 3) == {'a': 2, 'b': 5}
    assert calls == ['a', 'b'] * 3


def test_the_table_goes_between_the_marks(run, tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{BEGIN}\nstale\n{END}\nafter\n')
    assert run(f'data {QUICK} --workers 0 --write page.md') == ''
    text = page.read_text()
    assert text.startswith(f'before\n{BEGIN}\n| patches per second | 0 workers |') and 'stale' not in text
    assert re.search(rf'\n{END}\nafter\n$', text)
    assert {path.name for path in tmp_path.iterdir()} == {'page.md'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('--rounds 0', '--rounds must be at least 1'),
        ('--workers -1', '--workers must not be negative'),
        ('--crop 600', '--crop 600 is larger than --size 512'),
        ('--dataroot nowhere', 'there is no folder nowhere'),
        ('--dataroot small', 'is too small: 30×30'),
        ('--write none.md', 'there is no page none.md'),
        (f'{QUICK} --workers 0 --write bare.md', 'must be there once'),
    ],
)
def test_mistakes_take_one_line(run, tmp_path, arguments, message):
    (tmp_path / 'bare.md').write_text('no marks')
    (tmp_path / 'small').mkdir()
    cv2.imwrite(str(tmp_path / 'small' / 'x.png'), noisy_image(30, 30, 0))
    with pytest.raises(SystemExit) as stop:
        run(f'data {arguments}')
    assert str(stop.value).startswith('error: ') and message in str(stop.value)
    assert Path(tmp_path / 'bare.md').read_text(encoding='utf-8') == 'no marks'


def cells(text: str) -> dict[str, list[str]]:
    """Cells by the name of the network."""
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines if line[0].startswith('`')}


@pytest.mark.parametrize('name', ['Restormer', 'NAFNet', 'NAFNetBaseline'])
def test_plain_networks_are_the_official_ones(benchmark, name):
    """The plain side must be right by itself, not only equal to ours."""
    from benchmarks.reference_nets import reference_net

    vectors = ['restormer_biasfree', 'restormer_withbias'] if name == 'Restormer' else []
    for vector in vectors or [{'NAFNet': 'nafnet', 'NAFNetBaseline': 'nafnet_baseline'}[name]]:
        ours = fill_by_name(ARCHS[name](**VECTORS[vector]['kwargs']))
        plain = reference_net(ours).eval()
        changed = {type(module).__name__ for module in plain.modules()} - {
            type(module).__name__ for module in ours.modules()
        }
        assert len(changed) == (3 if name == 'Restormer' else 2)
        with np.load(DATA / f'{vector}.npz') as reference, torch.no_grad():
            np.testing.assert_allclose(plain(torch.from_numpy(reference['x'])), reference['y'], rtol=0, atol=1e-5)


def test_training_steps(run):
    found = cells(run('train --archs NAFNetBaseline DnCNN --size 100 --batch 1 --rounds 3 --no-memory'))
    assert list(found) == ['`NAFNetBaseline`', '`DnCNN`']
    for ratio, ours, _, _, difference in found.values():
        assert (
            re.fullmatch(r'[\d.]+ \([\d.]+–[\d.]+\)', ratio)
            and re.fullmatch(r'[\d.]+ m?s', ours)
            and float(difference) < 1e-4
        )


def test_memory_of_training_steps(run):
    ((_, _, memory, peak, _),) = cells(run('train --archs DnCNN --size 100 --batch 1 --rounds 1')).values()
    assert float(memory) > 0 and peak.endswith('MiB')


def test_denoising(run):
    found = cells(run('denoise --archs NAFNetBaseline --size 64 --rounds 1 --processor-time'))
    assert list(found) == ['`NAFNetBaseline`', '`NAFNetBaseline`, R3']
    for ratio, _, memory, ours, difference in found.values():
        assert float(ratio) > 0 and float(memory) > 0 and ours.endswith('MiB') and float(difference) < 1e-4


def test_large_images(run):
    (row,) = cells(run('large --archs DnCNN --sizes 96x64 --processor-time')).values()
    assert row[0] == '0.0 MP' and float(row[1]) > 0 and row[2].endswith(' s') and row[4].endswith('MiB')


def _hungry(size: int):
    return lambda: torch.zeros(size).sum().item()


def test_what_does_not_fit_is_told(benchmark):
    from benchmarks.memory import memory_cells, peak_of

    assert peak_of(_hungry, 2**46) == (None, None)
    peak, result = peak_of(_hungry, 2**24)
    assert 0.9 * 2**26 < peak < 3 * 2**26 and result == 0
    assert memory_cells(2**21, None) == ('plain does not fit', '2 MiB') and memory_cells(None, 1)[1] == 'does not fit'


def test_growth_counts_what_the_network_gets(benchmark):
    from benchmarks.scaling import denoising_tasks

    class Counting(torch.nn.Module):
        pixels = 0

        def forward(self, x):
            self.pixels += x.shape[0] * x.shape[2] * x.shape[3]
            return x

    net = Counting()
    for text, (task, megapixels) in denoising_tasks(net, 32).items():
        net.pixels = 0
        task()
        assert net.pixels / 1e6 == pytest.approx(megapixels), text


def test_growth(run):
    out = run('scale --arch DnCNN --size 64 --rounds 1 --steps 1 --starts 1 --processor-time')
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in out.splitlines() if line.startswith('|')]
    passes = {line[0]: float(line[1]) for line in lines if len(line) == 5 and line[2].endswith(' s')}
    once = 64 * 64 / 1e6
    assert passes['256×256'] == pytest.approx(32 * once, rel=0.01)
    assert passes['R3, T = 8'] == pytest.approx(18 * once, rel=0.01)
    assert passes['PartitionAverage of 8'] == pytest.approx(16 * once, rel=0.01)
    steps = [line for line in lines if line[3].endswith(' ms')]
    assert len(steps) == len({tuple(line[:3]) for line in steps}) >= 3 and all(float(line[4]) > 0 for line in steps)


def test_limit(run):
    (row,) = cells(run('limit --archs DnCNN --rounds 1')).values()
    operations, share, with_gradients, _ = row
    pixels, width, middle = 50 * 32 * 32, 32, 8
    expected = 2 * 9 * pixels * (2 * 3 * width + middle * width**2) / 1e9
    assert float(operations) == pytest.approx(expected, abs=0.005) and share.endswith('%')
    assert float(with_gradients) == pytest.approx(3 * expected, abs=0.005)


def test_the_plan_counts_all_steps_and_passes(run, tmp_path):
    settings = {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 4, 'nb': 3}
    once = 2 * 9 * (2 * 3 * 4 + 4**2)  # operations for a pixel
    train = {'optim_g': {'type': 'AdamW', 'lr': 1e-3}, 'total_iter': 100, 'mask_opt': {'type': 'MaskL1Loss'}}
    train['scheduler'] = {'type': 'CosineAnnealingRestartLR', 'periods': [100]}
    common = {'model_type': 'AMSNetModel', 'name': 'x', 'network_g': settings, 'scale': 1}
    hidden = {'type': 'calculate_mask_l1'}  # two passes more
    data = {'train': {'crop_size': 80, 'batch_size_per_gpu': 2}}
    b = {**common, 'scheme': {}, 'train': train, 'val': {'val_freq': 40.0, 'metrics': {'x': hidden}}, 'datasets': data}
    p = {**b, 'train': {**train, 'smooth_opt': {'type': 'SmoothnessLoss'}}, 'val': {}}
    e = {**common, 'scheme': {'refine': {'type': 'R3'}}, 'val': {}, 'datasets': {}}
    for name, options in zip('bpe', (b, p, e), strict=True):
        (tmp_path / f'{name}.yml').write_text(yaml.safe_dump(options))
    out = run('plan b.yml p.yml e.yml --images 7 --side 64 --rounds 1 --rates 2')
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in out.splitlines() if line.startswith('|')]
    assert [line[:2] for line in lines[2:]] == [
        ['b: a step', '100'], ['an image of its validations', '14'], ['p: a step', '100'], ['e: an image', '7'],
        ['**sum**', ''],
    ]  # fmt: skip
    total = once * (100 * 3 * 2 * 80**2 * (1 + 2) + 64**2 * (14 * (2 + 2) + 7 * 18))
    assert float(lines[-1][2]) == pytest.approx(total / 1e12, rel=0.01)
    assert lines[2][4].endswith('GiB') and 'Median of 1 steps' in out and '7 images of 64×64' in out


def test_on_a_gpu_the_plan_is_what_was_measured(benchmark):
    from benchmarks.training_cost import Cost, cost_table

    *_, step, total = cost_table([Cost('a step', 1000, 2e12, 3.6, 2**30)], [], 1).splitlines()
    assert step == '| a step | 1,000 | 2 | 3.6 s | 1.0 GiB | 60 min |'
    assert total == '| **sum** |  | 2,000 |  |  | 60 min |'


@pytest.mark.parametrize(('seconds', 'text'), [(0.5, '0.5 s'), (100, '100 s'), (600, '10.0 min'), (10**6, '11.6 days')])
def test_durations(benchmark, seconds, text):
    from benchmarks.training_cost import duration

    assert duration(seconds) == text


def test_sides_that_differ_are_not_timed(run, benchmark, monkeypatch):
    from benchmarks import networks

    plain_net = networks.reference_net
    monkeypatch.setattr(
        networks, 'reference_net', lambda *given: torch.nn.Sequential(plain_net(*given), torch.nn.Hardtanh(0.2, 0.3))
    )
    for command in ('train --size 100 --batch 1', 'denoise --size 64 --no-memory'):
        with pytest.raises(SystemExit, match='differs from the plain one'):
            run(f'{command} --archs DnCNN --rounds 1')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('train --size 42', 'multiple of 5'),
        ('train --rounds 0', '--rounds must be at least 1'),
        ('denoise --size 65', 'even number'),
        ('large --sizes 4MP', 'such as 2048x2048'),
        ('scale --size 33', 'an even number'),
        ('plan none.yml', 'none.yml'),
        ('plan student.yml', 'plan is for model_type: AMSNetModel, not SRModel'),
        ('plan unfinished.yml', 'unfinished.yml: datasets:train:crop_size is missing'),
        ('plan none.yml --rates 0', '--rates must be positive'),
        ('limit --threads 0', '--threads must be at least 1'),
        ('all --write none.md', 'there is no page none.md'),
    ],
)
def test_mistakes_in_comparisons_take_one_line(run, tmp_path, arguments, message):
    (tmp_path / 'student.yml').write_text('model_type: SRModel\n')
    (tmp_path / 'unfinished.yml').write_text('model_type: AMSNetModel\ntrain: {}\ndatasets:\n')
    with pytest.raises(SystemExit) as stop:
        run(arguments)
    assert str(stop.value).startswith('error: ') and message in str(stop.value)
