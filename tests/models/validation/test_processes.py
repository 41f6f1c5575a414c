"""Two processes validate together: the figures of one, no image twice, one reason for all."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from tests.models.test_amsnet_model import build
from tests.models.validation.test_loop import NoisyPairs, no_thread_is_left
from tests.pipeline.options import PSNR

CASES = {
    'one by one': ({}, 1),
    'three in a batch': ({}, 3),
    'fewer images than processes': ({'count': 1}, 1),
    'unreadable': ({'unreadable': 3}, 2),  # the second process's
}


def sound_model(folder: Path):
    torch.manual_seed(0)
    model = build(folder)
    metrics = {'psnr': dict(PSNR), 'mask_l1': {'type': 'calculate_mask_l1'}}
    model.opt['val'] = {'val_freq': 1, 'save_img': False, 'strip': 5, 'metrics': metrics, 'save_best': 'psnr'}
    return model


def validate(model, images, folder: Path, size: int) -> dict:
    model.__dict__.pop('metric_results', None)
    model.opt['val']['batch_size'] = size
    model.opt['path'] = {'models': str(folder), 'visualization': str(folder)}
    folder.mkdir(exist_ok=True)
    try:
        model.validation(DataLoader(images), 1, None, True)
    except (ValueError, RuntimeError) as error:
        return {'error': f'{type(error).__name__}: {error}'}
    return model.metric_results


def one_process(rank: int, folder: str) -> None:
    root = Path(folder)
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    model = sound_model(root)
    model.opt.update(dist=True, rank=rank, world_size=2)
    for buffer in model.net_g_ema.buffers():
        buffer += rank  # BatchNorm's statistics differ between the processes of a training
    told = {case: validate(model, NoisyPairs(**kind), root / case, size) for case, (kind, size) in CASES.items()}
    differs = NoisyPairs()
    differs.paths = sorted(differs.paths, reverse=bool(rank))
    told['listed differently'] = validate(model, differs, root / 'listed differently', 1)
    test = model.test

    def bad_test() -> None:
        test()
        model.output *= 1 if rank == 0 else float('nan')

    model.test = bad_test
    told['nan'] = validate(model, NoisyPairs(), root / 'nan', 1)
    told['no thread left'] = no_thread_is_left()
    (root / f'{rank}.json').write_text(json.dumps(told))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def told(fork_server, tmp_path_factory) -> tuple[Path, list[dict]]:
    """Where two processes wrote, and what each found."""
    folder = tmp_path_factory.mktemp('two')
    fork_server.run_in_two(one_process, folder)
    return folder, [json.loads((folder / f'{rank}.json').read_text()) for rank in range(2)]


@pytest.mark.parametrize('case', ['one by one', 'three in a batch', 'fewer images than processes'])
def test_figures_and_images_are_those_of_one_process(told, tmp_path, case):
    folder, (first, second) = told
    kind, size = CASES[case]
    expected = validate(sound_model(tmp_path), NoisyPairs(**kind), tmp_path / case, size)
    assert first[case] == pytest.approx(expected, rel=1e-5)
    assert second[case] == first[case]
    files = [sorted(path.relative_to(root) for path in root.rglob('*.*')) for root in (tmp_path / case, folder / case)]
    assert files[0] == files[1] and len(files[0]) == min(5, len(NoisyPairs(**kind))) + len(NoisyPairs(**kind)) + 2


def test_what_one_cannot_read_ends_both_with_its_name(told):
    _, (first, second) = told
    reason = "set 'pairs', image b/1.png: b/1.png cannot be read"
    assert second['unreadable'] == {'error': f'UserError: {reason}'}
    assert first['unreadable'] == {'error': f'OtherProcessFailedError: validation ended by process 1: {reason}'}


def test_a_bad_result_of_one_ends_both(told):
    _, (first, second) = told
    reason = "UserError: the network returns NaN or infinite values for 0_2 of 'pairs': not saved"
    assert second['nan'] == {'error': reason}
    told = reason.removeprefix('UserError: ')
    assert first['nan'] == {'error': f'OtherProcessFailedError: validation ended by process 1: {told}'}


def test_processes_that_list_the_images_differently_refuse(told):
    for found in told[1]:
        assert "find different images in set 'pairs'" in found['listed differently']['error']


def test_no_thread_is_left(told):
    assert [found['no thread left'] for found in told[1]] == [True, True]
