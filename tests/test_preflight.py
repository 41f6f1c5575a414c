"""What the check of the options finds, and what it leaves alone."""

import pytest

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.options import read_options, refuse_unknown, unknown_keys
from amsnet_basicsr.preflight import check_options, check_raw
from tests.pipeline.options import test_options, train_options


def check(options: dict, is_train: bool = True, num_gpu: int = 0) -> tuple[list[str], list[str]]:
    problems = check_raw(options, is_train)
    if problems:
        return problems, []
    parsed = {'is_train': is_train, 'dist': False, 'rank': 0, 'world_size': 1, 'num_gpu': num_gpu}
    options.update(parsed)
    for phase, dataset in options['datasets'].items():
        dataset['phase'] = phase.split('_')[0]
    try:
        return check_options(options)
    finally:
        for key in parsed:
            options.pop(key)


def test_good_options_pass(make_folder):
    folder = make_folder('noisy')
    assert check(train_options(folder)) == ([], [])
    (folder / 'w.pth').touch()
    assert check(test_options(folder, folder / 'w.pth'), is_train=False) == ([], [])


@pytest.mark.parametrize(
    ('section', 'key', 'value', 'message'),
    [
        (None, 'sheme', {}, "did you mean 'scheme'"),
        ('scheme', 'refine', {'type': 'R2'}, 'refine: type must be one of'),
        (None, 'report', {'refine': [{'type': 'R2'}]}, 'report: refine: type must be one of'),
        ('path', 'pretrain_network_g', 'none.pth', 'path.pretrain_network_g: there is no file none.pth'),
        ('path', 'weights', 'none.pth', "path has no option 'weights'"),
        (
            'train',
            'scheduler',
            {'type': 'CosineAnnealingRestartLR', 'periods': [2]},
            'they end after 2 of 6 iterations',
        ),
        ('train', 'scheduler', None, 'train.scheduler is missing'),
        ('train', 'mask_opt', None, 'train.mask_opt is missing'),
        ('val', 'save_best', 'psnr', "val.save_best: there is no metric 'psnr'; there are: mask_l1"),
        (None, 'network_g', None, 'network_g is missing'),
        (
            None,
            'network_g',
            {'type': 'Restomer'},
            "network_g: there is no network 'Restomer'; did you mean 'Restormer'?",
        ),
        ('val', 'save_best', {'metric': 'mask_l1', 'dataset': 'held-in'}, "no val set is called 'held-in'"),
        ('val', 'save_best', {'metrc': 'mask_l1'}, "did you mean 'metric'"),
        ('val', 'save_img', None, 'val.save_img is missing'),
        ('logger', 'print_freq', None, 'logger.print_freq is missing'),
        ('train', 'scheduler', {'type': 'Cosine'}, 'train.scheduler: type must be one of MultiStepLR'),
        ('train', 'optim_g', {'type': 'Adamm', 'lr': 1}, "torch.optim has no optimizer 'Adamm'"),
        ('train', 'mask_opt', {'type': 'MaskL1Loss', 'weight': 1}, "unexpected keyword argument 'weight'"),
        (None, 'network_g', {'type': 'DnCNN', 'chanels': 3}, 'network_g: DnCNN'),
        ('path', 'experiments_root', '/data', 'path.experiments_root: BasicSR chooses its folders itself'),
        (None, 'rank', 0, 'rank is set by BasicSR itself'),
        (None, 'num_gpu', None, 'num_gpu is missing'),
        ('datasets', 'vall', {}, 'datasets.vall: sets are called train, val, val_2'),
        ('datasets', 'val_2', {'name': 'held-out', 'type': 'NoisyImageDataset'}, 'another set is called'),
        ('datasets', 'val', {'name': 'v', 'type': 'NoisyImageDataset', 'mean': 0}, "no option 'mean'"),
        (None, 'model_type', 'AMSNet', "model_type: there is no model 'AMSNet'; did you mean 'AMSNetModel'?"),
    ],
)
def test_problems_are_named(make_folder, section, key, value, message):
    options = train_options(make_folder('noisy'))
    (options if section is None else options[section])[key] = value
    problems, _ = check(options)
    assert any(message in problem for problem in problems), problems


def test_options_of_other_models_are_left_to_them(make_folder):
    options = train_options(make_folder('noisy'), model_type='SRModel', my_own=1)
    problems, notes = check(options)
    assert not problems
    assert any("no option 'my_own'" in note for note in notes)


def test_unknown_keys_of_basicsrs_datasets_are_noted(make_folder):
    folder = str(make_folder('noisy'))
    pairs = {'name': 'pairs', 'type': 'PairedImageDataset', 'dataroot_lq': folder, 'dataroot_gt': folder}
    options = train_options(folder, scale=1)
    options['datasets']['val'] = {**pairs, 'io_backend': {'type': 'disk'}, 'meta_info_fil': 'x.txt'}
    assert check(options) == (
        [], ["datasets.val has no option 'meta_info_fil'; did you mean 'meta_info_file'?"]
    )  # fmt: skip


def test_several_problems_are_told_together(make_folder):
    options = train_options(make_folder('noisy'))
    options['scheme'] = {'brances': 2}
    options['train']['total_iter'] = '6'
    options['datasets']['val']['dataroot_lq'] = 'nowhere'
    problems = '\n'.join(check(options)[0])
    for text in (
        "did you mean 'branches'",
        "total_iter must be a number of iterations, got '6'",
        'there is no nowhere',
    ):
        assert text in problems


@pytest.mark.parametrize('num_gpu', [0, 2, 8])
@pytest.mark.parametrize(('images', 'batch', 'ratio', 'iterations'), [(5, 2, 1, 300), (5, 8, 0.5, 30), (1, 4, 1, 7)])
def test_enough_batches_for_the_iterations(make_folder, images, batch, ratio, iterations, num_gpu):
    options = train_options(make_folder('noisy', images))
    options['train'].update(total_iter=iterations, scheduler={'type': 'MultiStepLR', 'milestones': [1]})
    options['datasets']['train'].update(batch_size_per_gpu=batch, dataset_enlarge_ratio=ratio)
    problems, notes = check(options, num_gpu=num_gpu)
    assert not problems and 'would have ended' in notes[0]
    ratio = options['datasets']['train']['dataset_enlarge_ratio']
    # As BasicSR runs it: epochs counted with one GPU's batches rounded up, batches of all GPUs made, the last
    # incomplete one dropped.
    epochs = -(-iterations // -(-images * ratio // batch)) + 1
    assert epochs * (images * ratio // (batch * max(1, num_gpu))) >= iterations


def test_counting_images_leaves_basicsrs_logger_alone(make_folder):
    import logging

    from basicsr.utils.logger import initialized_logger

    before, handlers = dict(initialized_logger), list(logging.getLogger('basicsr').handlers)
    folder = make_folder('noisy')
    (folder / 'bad.png').touch()
    options = train_options(folder)
    for dataset in options['datasets'].values():
        dataset['on_bad_image'] = 'skip'  # says so by the logger
    assert check(options) == ([], [])
    assert initialized_logger == before and logging.getLogger('basicsr').handlers == handlers


def test_options_are_read_without_running_them(tmp_path):
    good = tmp_path / 'good.yml'
    good.write_text('plugin: !!python/name:amsnet_basicsr.__version__\nlr: !!float 1e-4\nmore: [1, ~]\n')
    assert read_options(str(good))['lr'] == 1e-4
    for text, message in (
        (
            f'a: 1\nb: !!python/object/apply:os.system ["touch {tmp_path}/ran"]\n',
            'line 2: .*python/object/apply:os.system',
        ),
        ('a: !!python/name:os.system\n', 'line 1: !!python/name:os.system is refused'),
        ('a: [1\n', 'bad.yml, line 2'),
        ('just text', 'holds no options'),
        ('', 'holds no options'),
    ):
        (tmp_path / 'bad.yml').write_text(text)
        with pytest.raises(ValueError, match=message):
            read_options(str(tmp_path / 'bad.yml'))
    assert not (tmp_path / 'ran').exists()
    with pytest.raises(ValueError, match='cannot be read'):
        read_options(str(tmp_path / 'none.yml'))


def test_unknown_keys_are_told_with_the_nearest_name():
    assert unknown_keys({'a': 1}, ['a'], 'here') == []
    assert unknown_keys({'strde': 1}, ['stride'], 'scheme') == ["scheme has no option 'strde'; did you mean 'stride'?"]
    with pytest.raises(ValueError, match='known: alpha, beta'):
        refuse_unknown({'zzz': 1}, ['beta', 'alpha'], 'there')
