"""What the check of the options finds, and what it leaves alone."""

import copy

import pytest

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.options.checks.run import check_all, check_options
from amsnet_basicsr.options.complete import complete_options
from amsnet_basicsr.options.reader import read_options
from tests.pipeline.options import some_weights, test_options, train_options


def check(options: dict, is_train: bool = True, num_gpu: int = 0) -> tuple[list[str], list[str]]:
    raw_num_gpu = options.get('num_gpu')
    parsed = {'is_train': is_train, 'dist': False, 'rank': 0, 'world_size': 1}
    options.update(parsed, num_gpu=num_gpu if raw_num_gpu == 'auto' else raw_num_gpu)
    for phase, dataset in options['datasets'].items():
        if dataset:
            dataset['phase'] = phase.split('_')[0]
    try:
        return check_options(options)[:2]
    finally:
        for key in parsed:
            options.pop(key)
        options['num_gpu'] = raw_num_gpu


@pytest.mark.parametrize(
    ('network', 'channels'),
    [
        ({'type': 'DnCNN', 'in_nc': 1, 'out_nc': 1, 'nb': 4}, 1),
        ({'type': 'NAFNet', 'img_channel': 4, 'enc_blk_nums': [1], 'dec_blk_nums': [1]}, 4),
        ({'type': 'SRVGGNetCompact', 'num_in_ch': 1, 'num_out_ch': 1, 'num_feat': 8, 'num_conv': 1, 'upscale': 1}, 1),
        ({'type': 'UNet', 'n_feature': 4}, 3),
    ],
)
def test_data_sets_are_told_the_channels_of_the_network(make_folder, network, channels):
    options = train_options(make_folder('noisy'), network_g=network)
    assert check(options)[0] == []
    assert {phase: dataset['channels'] for phase, dataset in options['datasets'].items()} == {
        'train': channels, 'val': channels
    }  # fmt: skip
    options['datasets']['val']['channels'] = 1 if channels == 3 else 3
    assert f'datasets.val.channels: the network takes images of {channels} channel' in check(options)[0][0]


def test_a_data_set_that_gives_other_channels_is_named(make_folder):
    folder = str(make_folder('noisy'))
    options = sr_options(folder, network_g={'type': 'DnCNN', 'in_nc': 1, 'out_nc': 1, 'nb': 4})
    assert check(options)[0][0].startswith(
        'datasets.train: the network takes images of 1 channel, and PairedImageDataset gives 3; take one of NoisyImage'
    )
    for dataset in options['datasets'].values():
        dataset['color'] = 'y'
    assert check(options)[0] == []


def sr_options(folder: str, **changes) -> dict:
    """Options of a student: BasicSR's model, pairs."""
    pairs = {'type': 'PairedImageDataset', 'dataroot_lq': folder, 'dataroot_gt': folder, 'io_backend': {'type': 'disk'}}
    options = train_options(folder, model_type='SRModel', scale=1)
    options['datasets']['val'] = {'name': 'pairs', **pairs}
    training = {'batch_size_per_gpu': 1, 'num_worker_per_gpu': 0, 'dataset_enlarge_ratio': 10}
    options['datasets']['train'] = {
        'name': 'teacher', **copy.deepcopy(pairs), 'gt_size': 32, 'use_hflip': True, 'use_rot': True, **training,
    }  # fmt: skip
    options['train']['pixel_opt'] = {'type': 'L1Loss'}
    del options['train']['mask_opt']
    options['val']['metrics'] = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}
    options.update(changes)
    return options


def test_good_options_pass(make_folder):
    folder = make_folder('noisy')
    assert check(train_options(folder)) == ([], [])
    some_weights(folder / 'w.pth')
    assert check(test_options(folder, folder / 'w.pth'), is_train=False) == ([], [])


@pytest.mark.parametrize(
    ('section', 'key', 'value', 'message'),
    [
        (None, 'sheme', {}, "did you mean 'scheme'"),
        ('scheme', 'refine', {'type': 'R2'}, 'scheme.refine: type must be one of'),
        (None, 'report', {'refine': [{'type': 'R2'}]}, 'report.refine: type must be one of'),
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
        (
            'train',
            'scheduler',
            {'type': 'Cosine'},
            'train.scheduler.type must be CosineAnnealingRestartLR or MultiStepLR or',
        ),
        ('train', 'optim_g', {'type': 'Adamm', 'lr': 1}, "there is no optimizer 'Adamm'; did you mean 'Adam'?"),
        ('train', 'mask_opt', {'type': 'MaskL1Loss', 'weight': 1}, "train.mask_opt has no option 'weight'"),
        (
            None,
            'network_g',
            {'type': 'DnCNN', 'chanels': 3},
            "network_g has no option 'chanels'; known: act_mode, in_nc",
        ),
        # Found by fuzzing: a path of a set whose type isn't known.
        ('datasets', 'val', {'name': 'v', 'type': None, 'dataroot_lq': True}, 'datasets.val.type is missing'),
        (None, 'k' * 500, 0, f"has no option '{'k' * 79}…"),
        (None, 'num_gpu', None, 'num_gpu is missing'),
        ('datasets', 'vall', {}, 'datasets.vall: sets are called train, val, val_2'),
        ('datasets', 'val', {'name': 'v', 'type': 'NoisyImageDataset', 'mean': 0}, "no option 'mean'"),
        (None, 'model_type', 'AMSNet', "model_type: there is no model 'AMSNet'; did you mean 'AMSNetModel'?"),
        (None, 'model_type', 5, 'model_type must be text, got 5; put it in quotes'),
        (None, 'name', '..', 'name must be a name for a folder'),
        (None, 'name', '', 'name must be a name for a folder'),
        (None, 'name', 'a/b', 'name must be a name for a folder'),
        (None, 'manual_seed', -1, 'manual_seed must be a whole number of at least 0'),
        (None, 'scale', 2, 'scale must be 1, got 2'),
        (None, 'compile', 'yes', "compile must be true or false, got 'yes'"),
        (None, 'dist_params', {'backend': 'ncl'}, 'dist_params.backend must be nccl or gloo'),
        (None, 'dist_params', {'prot': 1}, "dist_params has no option 'prot'; did you mean 'port'?"),
        (None, 'report', {'refine': 5}, 'report.refine must be a list'),
        (None, 'report', {'refin': []}, "report has no option 'refin'; did you mean 'refine'?"),
        (None, 'scheme', [1], 'scheme must be a group of options, got [1]'),
        (None, 'network_g', {'nc': 8}, 'network_g.type is missing'),
        (None, 'network_g', {'type': 'DnCNN', 'nb': 10**6}, 'network_g.nb: 1000000 is more than any network has'),
        (None, 'network_g', {'type': 'DnCNN', 'act_mode': 'P'}, "network_g.act_mode must be R or BR, got 'P'"),
        (None, 'network_g', {'type': 'NAFNet', 'enc_blk_nums': [1, 'x']}, 'a list, each a whole number, got [1, '),
        (None, 'network_g', {'type': 'NAFNet', 'enc_blk_nums': [1]}, 'network_g: NAFNet cannot be built: '),
        (None, 'network_g', {'type': 'EDSR', 'num_in_ch': 3}, 'network_g.num_out_ch is missing'),
        ('scheme', 'branches', 1, 'scheme.branches must be a whole number of at least 2 and at most 255, got 1'),
        (
            None,
            'network_g',
            {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'upscale': 2},
            'network_g: EDSR does not return images in the size they came in, as a denoiser must: (1, 3,',
        ),
        (
            None,
            'network_g',
            {'type': 'UNet', 'in_nc': 3, 'out_nc': 1, 'n_feature': 4},
            'UNet does not return images in the size they came in',
        ),
        ('scheme', 'refine', {'type': ['R3']}, 'scheme.refine: '),
        ('scheme', 'train_stride', 3, 'crop_size: 40 is not divisible by scheme.train_stride 3; 39 is'),
        ('datasets', 'train', None, 'datasets.train must be a group of options'),
        ('train', 'optim_g', {'type': 'AdamW', 'lr': 0}, 'train.optim_g.lr must be a number above 0, got 0'),
        ('train', 'optim_g', {'type': 'AdamW'}, 'train.optim_g.lr is missing'),
        ('train', 'optim_g', {'type': 'AdamW', 'lr': 1, 'momentum': 1}, "train.optim_g has no option 'momentum'"),
        ('train', 'optim_g', {'type': 'Optimizer', 'lr': 1}, "there is no optimizer 'Optimizer'"),
        (
            'train',
            'optim_g',
            {'type': 'SGD', 'lr': 1, 'nesterov': True},
            'SGD cannot be built: Nesterov momentum',
        ),
        ('train', 'scheduler', {'type': 'MultiStepLR'}, 'train.scheduler.milestones is missing'),
        (
            'train',
            'scheduler',
            {'type': 'CosineAnnealingRestartLR', 'periods': [3, 3]},
            'periods and restart_weights should have the same length',
        ),
        (
            'train',
            'scheduler',
            {'type': 'CosineAnnealingRestartLR', 'periods': 6},
            'train.scheduler.periods must be a ',
        ),
        ('train', 'total_iter', 0, 'train.total_iter must be a number of iterations, got 0'),
        ('train', 'total_iter', 2.5, 'train.total_iter must be a number of iterations, got 2.5'),
        ('train', 'ema_decay', None, 'train.ema_decay must be a number of at least 0 and below 1, but is empty'),
        ('train', 'warmup_iter', -2, 'train.warmup_iter must be a number of iterations, or -1 for none, got -2'),
        ('train', 'on_bad_loss', 'ignore', "train.on_bad_loss must be stop or skip, got 'ignore'"),
        ('train', 'amp', 1, 'train.amp must be true or false or bf16 or fp16, got 1'),
        ('train', 'accumulate', 0, 'train.accumulate must be a whole number of at least 1, got 0'),
        ('train', 'checkpointing', True, 'train: checkpointing finds no blocks in DnCNN; leave it out'),
        ('train', 'checkpointing', 'on', "train.checkpointing must be true or false, got 'on'"),
        ('train', 'pixel_opt', {'type': 'L1Loss'}, "train has no option 'pixel_opt'"),
        ('val', 'suffix', '../x', "val.suffix must be a name (not absolute, no ..), got '../x'"),
        ('val', 'strip', True, 'val.strip must be a whole number of at least 0, got True'),
        ('val', 'metrics', {'psnr': 5}, 'val.metrics.psnr must be a group of options, got 5'),
        ('val', 'metrics', {'psnr': {'type': 'calculate_psnr'}}, 'val.metrics.psnr.crop_border is missing'),
        ('val', 'metrics', {'x': {'type': 'psnr'}}, "val.metrics.x: there is no metric 'psnr'; there are: calculate_"),
        (
            'val',
            'metrics',
            {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}},
            'val.metrics.psnr: calculate_psnr needs clean images, which no set has; calculate_mask_l1 needs none',
        ),
        ('logger', 'wandb', {'project': 'x'}, 'set logger.use_tb_logger: true'),
        ('path', 'experiments_root', 5, 'path.experiments_root must be text, got 5'),
        ('path', 'strict_load_g', 'no', "path.strict_load_g must be true or false, got 'no'"),
    ],
)
def test_problems_are_named(make_folder, section, key, value, message):
    options = train_options(make_folder('noisy'))
    (options if section is None else options[section])[key] = value
    problems, _ = check(options)
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize('model', ['SRModel', 'ESRGANModel'])
def test_options_of_other_models_are_left_to_them(make_folder, model):
    options = sr_options(str(make_folder('noisy')), model_type=model, my_own=1)
    if model == 'ESRGANModel':
        assert check(options)[0] == ['network_d is missing', 'train.optim_d is missing']
        options['network_d'] = {'type': 'UNetDiscriminatorSN', 'num_in_ch': 3}
        options['train'].update(optim_d=options['train']['optim_g'], gan_opt={'type': 'GANLoss', 'gan_type': 'vanilla'})
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


def test_a_set_that_logs_while_it_is_counted_passes(make_folder):
    folder = make_folder('noisy')
    (folder / 'bad.png').touch()
    options = train_options(folder)
    for dataset in options['datasets'].values():
        dataset['on_bad_image'] = 'skip'  # says so by the logger
    assert check(options) == ([], [])


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


def test_new_options_of_ours_are_known(make_folder):
    """Read by our models alone: with another one a note says so."""
    ours = {'amp': 'bf16', 'accumulate': 2, 'checkpointing': True}
    net = {'type': 'NAFNet', 'width': 8, 'enc_blk_nums': [1], 'dec_blk_nums': [1], 'middle_blk_num': 1}
    options = train_options(make_folder('noisy'), compile=True, network_g=net)
    options['train'].update(ours, on_bad_loss='skip', grad_clip_norm=1.0)
    assert check(options) == ([], [])
    for amp in (False, True, 'fp16', None):
        options['train']['amp'] = amp
        assert check(options) == ([], [])
    student = sr_options(options['datasets']['train']['dataroot_lq'], compile=True)
    student['train'].update(ours, on_bad_loss='skip')
    student['val']['batch_size'] = 4
    problems, notes = check(student)
    assert not problems
    assert notes == [
        f'{key}: SRModel does not read it; AMSNetModel and APBSNModel do'
        for key in ('compile', 'train.accumulate', 'train.amp', 'train.checkpointing', 'val.batch_size')
    ]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'train': {'pixel_opt': None}}, 'train.pixel_opt is missing; SRModel learns by'),
        (
            {'train': {'pixel_opt': {'type': 'L1Loss', 'reduction': 'men'}}},
            'train.pixel_opt: L1Loss cannot be built: Unsup',
        ),
        ({'train': {'pixel_opt': {'type': 'L1Los'}}}, "there is no loss 'L1Los'; did you mean 'L1Loss'?"),
        ({'datasets': {'train': {'gt_size': None}}}, 'datasets.train.gt_size is missing; write e.g. gt_size: 128'),
        (
            {'datasets': {'train': {'io_backend': None}}},
            'datasets.train.io_backend is missing; write e.g. io_backend: {',
        ),
        ({'datasets': {'train': {'type': 'NoisyImageDataset'}}}, 'NoisyImageDataset has no clean images to train on'),
        (
            {'datasets': {'val': {'type': 'SingleImageDataset'}}},
            'needs clean images, which no set has; take the metric out',
        ),
        ({'val': {'metrics': {'m': {'type': 'calculate_mask_l1'}}}}, 'looks at hidden pixels; SRModel hides none'),
        (
            {'datasets': {'train': {'persistent_workers': True}}},
            'no workers to persist; take it out, or set num_worker',
        ),
        ({'datasets': {'train': {'prefetch_mode': 'cuda'}}}, 'prefetch_mode: cuda needs a GPU; write ~ or cpu'),
        ({'datasets': {'train': {'prefetch_mode': 'gpu'}}}, "prefetch_mode must be cpu or cuda, got 'gpu'"),
        ({'datasets': {'train': {'dataroot_gt': 'x.lmdb', 'io_backend': {'type': 'lmdb'}}}}, 'there is no x.lmdb'),
    ],
)
def test_what_students_need(make_folder, change, message):
    options = sr_options(str(make_folder('noisy')))
    assert check(copy.deepcopy(options)) == ([], [])
    for section, inner in change.items():
        for key, value in inner.items():
            if isinstance(value, dict) and section == 'datasets':
                options[section][key].update(value)
            else:
                options[section][key] = value
    problems, _ = check(options)
    assert any(message in problem for problem in problems), problems


def test_a_test_needs_weights_but_no_suffix(make_folder, tmp_path):
    options = sr_options(str(make_folder('noisy')))
    some_weights(tmp_path / 'w.pth')
    options['datasets'] = {'test': options['datasets']['val']}
    assert check(options, is_train=False)[0] == [
        'path.pretrain_network_g is missing: without weights, the figures would be those of a random network'
    ]
    options['path']['pretrain_network_g'] = str(tmp_path / 'w.pth')
    options['val']['save_img'] = True
    assert check(options, is_train=False) == ([], [])
    options.update(model_type='ESRGANModel', network_d={'type': 'OfTheTraining'})  # which a test does not build
    assert 'OfTheTraining' not in str(check(options, is_train=False)[0])


def test_a_metric_that_some_set_can_have_is_fine(make_folder):
    folder = str(make_folder('noisy'))
    student = sr_options(folder)
    single = {'name': 'single', 'type': 'SingleImageDataset', 'dataroot_lq': folder, 'io_backend': {'type': 'disk'}}
    student['datasets']['val_2'] = single
    assert check(student) == ([], [])
    options = train_options(folder, scale=1)
    options['datasets']['val_2'] = sr_options(folder)['datasets']['val']
    options['val']['metrics']['psnr'] = {'type': 'calculate_psnr', 'crop_border': 0}
    options['val']['save_best'] = 'psnr'
    assert check(options) == ([], [])
    options['val']['save_best'] = {'metric': 'psnr', 'dataset': 'held-out'}
    assert check(options)[0] == [
        "val.save_best: psnr needs clean images, which the set 'held-out' lacks; calculate_mask_l1 needs none"
    ]


def test_one_lmdb_for_all_sets_is_fine(make_folder, make_lmdb):
    """Lmdb ≥ 2 refuses to open one twice in a process; our commands share it, so there is nothing to say."""
    path = str(make_lmdb(make_folder('noisy')))
    options = train_options(path, scale=1)
    pairs = {'type': 'PairedImageDataset', 'dataroot_lq': path, 'dataroot_gt': path, 'io_backend': {'type': 'lmdb'}}
    options['datasets']['val_2'] = {'name': 'pairs', **pairs}
    assert check(options) == ([], [])


def test_val_sets_without_val_are_noted(make_folder):
    options = train_options(make_folder('noisy'), val=None)
    assert check(options) == ([], ['val is missing, so nothing but training is done; the val sets are never used'])
    options['val'] = {'val_freq': 1, 'save_img': False}
    del options['datasets']['val']
    assert check(options) == ([], ['val is given, but datasets has no val set: nothing is validated'])


def inspect(options: dict, root, is_train: bool = True, **completing) -> list[str]:
    """Check options as the commands do."""
    return check_all(options, complete_options(options, str(root), is_train, **completing)).problems


def test_what_a_run_would_put_aside_is_not_read_by_it(make_folder, tmp_path):
    options = train_options(make_folder('noisy'))
    weights = tmp_path / 'experiments' / 'tiny' / 'models' / 'net_g_latest.pth'
    weights.parent.mkdir(parents=True)
    some_weights(weights)
    options['path']['pretrain_network_g'] = str(weights)
    (problem,) = inspect(options, tmp_path)
    assert problem.startswith(f'path.pretrain_network_g: {weights} lies in ') and 'another name' in problem
    assert inspect({**options, 'name': 'other'}, tmp_path) == []
    # A run that goes on puts nothing aside.
    (weights.parent.parent / 'training_states').mkdir()
    (weights.parent.parent / 'training_states' / '3.state').touch()
    assert inspect(options, tmp_path, auto_resume=True) == []
    options['path'] = {'experiments_root': str(tmp_path)}
    options['name'] = 'noisy'
    problems = inspect(options, tmp_path)
    assert len(problems) == 2 and all(
        'dataroot_lq: ' in said and 'is renamed when this run begins' in said for said in problems
    )


def test_what_basicsr_sets_itself_is_ignored_with_a_note(make_folder, tmp_path):
    options = train_options(make_folder('noisy'), rank=0, is_train=False)
    options['path']['models'] = '/data'
    problems, notes, *_ = check_all(options, complete_options(options, str(tmp_path), True))
    assert problems == [] and notes == [
        f'{key}: BasicSR sets it itself; what the file says is ignored' for key in ('rank', 'is_train', 'path.models')
    ]


def test_two_sets_of_one_name_are_noted(make_folder):
    options = train_options(make_folder('noisy'))
    options['datasets']['val_2'] = options['datasets']['val']
    assert check(options) == ([], ["datasets: two sets are called 'held-out'; the images of one overwrite the other's"])


def test_results_that_cannot_be_written(make_folder, tmp_path):
    options = train_options(make_folder('noisy'))
    (tmp_path / 'file').touch()
    options['path']['experiments_root'] = str(tmp_path / 'file' / 'deep')
    assert inspect(options, tmp_path) == [
        f'path.experiments_root: {tmp_path}/file is no folder that can be written to; name another'
    ]


def test_more_gpus_than_there_are(make_folder, tmp_path):
    import torch

    there = torch.cuda.device_count()
    options = train_options(make_folder('noisy'), num_gpu=there + 1)
    expected = f'num_gpu: {there + 1}, but PyTorch finds {there}; write auto, which takes what is there'
    assert inspect(options, tmp_path) == [expected]
    assert inspect(options, tmp_path, distributed=True) == []


def test_the_check_draws_no_random_numbers_and_downloads_nothing(make_folder, tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    options = train_options(make_folder('noisy'), network_g={'type': 'SwinIR', 'img_size': 8, 'depths': [1]})
    options['network_g'].update(embed_dim=8, num_heads=[2], window_size=4, upscale=1)  # cannot be built without memory
    state = torch.get_rng_state()
    assert inspect(options, tmp_path) == []
    options['network_g'] = {'type': 'VGGFeatureExtractor', 'layer_name_list': ['conv1_1']}
    assert inspect(options, tmp_path) == []
    assert torch.equal(state, torch.get_rng_state()) and not (tmp_path / 'hub').exists()


def test_broken_options_of_every_shape_are_told(make_folder, tmp_path):
    """Found by fuzzing or feared: sections that are none, types that are no names."""
    good = train_options(make_folder('noisy'))
    fine = [('name', 'x'), ('manual_seed', None), ('manual_seed', 5), ('scheme', None), ('scheme', {})]
    fine += [('path', {}), ('val', None)]
    for section in good:
        for value in (None, 5, 'x', [], [[]], {}, {'type': ['x']}, {'type': {}}, {'train': [], 'val': 3}):
            problems = inspect({**copy.deepcopy(good), section: value}, tmp_path)
            assert all(isinstance(problem, str) for problem in problems)
            assert bool(problems) != ((section, value) in fine), (section, value, problems)


def test_lists_that_name_what_is_not_there(make_folder, tmp_path):
    folder = make_folder('noisy')
    listing = tmp_path / 'list.txt'
    options = sr_options(str(folder))
    for dataset in options['datasets'].values():
        dataset['meta_info_file'] = str(listing)
    listing.write_text('im0.png (64,64,3)\nim1.png (64,64,3)\n')
    assert check(options) == ([], [])
    listing.write_text('im0.png (64,64,3)\nim9.png (64,64,3)\n')
    assert f'1 of 2 images that {listing} names are missing: {folder}/im9.png' in check(options)[0][0]
    listing.write_text('im0.png (64,64,3)\n', encoding='utf-8-sig')
    assert 'starts with a byte order mark' in check(options)[0][0]
    options = train_options(folder, scale=1)
    single = {'type': 'SingleImageDataset', 'dataroot_lq': str(folder), 'io_backend': {'type': 'disk'}}
    options['datasets']['val'] = {'name': 'single', 'meta_info_file': str(listing), **single}
    listing.write_text('im9.png\nim0.png\n')
    assert f'1 of 2 images that {listing} names are missing: {folder}/im9.png' in check(options)[0][0]
    options = train_options(folder)
    listing.write_text('im0.png (64,64,3)\n', encoding='utf-8-sig')
    options['datasets']['val']['meta_info_file'] = str(listing)
    assert check(options) == ([], [])
    listing.write_text('im0.png\nim9.png\n')
    assert f'1 of 2 images that {listing} names are missing: ' in check(options)[0][0]


def test_neutral_settings_of_published_options_are_accepted(make_folder, tmp_path):
    options = train_options(make_folder('noisy'), network_g={'type': 'DeamNet', 'Isreal': True})
    opt = complete_options(options, str(tmp_path), True)
    assert check_all(options, opt)[:2] == ([], []) and opt['network_g'] == {'type': 'DeamNet'}
    options['network_g']['Isreal'] = False
    assert "network_g has no option 'Isreal'" in inspect(options, tmp_path)[0]


def test_a_metric_of_ones_own_needs_no_kwargs(make_folder):
    from basicsr.utils.registry import METRIC_REGISTRY

    def calculate_own(img, img2, power=2):
        return float((abs(img - img2) ** power).mean())

    METRIC_REGISTRY._do_register('calculate_own', calculate_own)
    options = sr_options(str(make_folder('noisy')))
    options['val']['metrics'] = {'own': {'type': 'calculate_own', 'power': 1}}
    assert check(options) == ([], [])
    options['val']['metrics']['own']['powr'] = 1
    assert "val.metrics.own has no option 'powr'; did you mean 'power'?" in check(options)[0][0]


def test_an_option_of_another_network_is_no_slip(make_folder):
    options = train_options(make_folder('noisy'), network_d={'type': 'VGGStyleDiscriminator'})
    problems, _ = check(options)
    assert len(problems) == 1 and "no option 'network_d'; known: " in problems[0]


@pytest.mark.parametrize('metrics', [True, {'mask_l1': None}])
@pytest.mark.parametrize('model', [None, 3, 'Unknown', 'AMSNetModel'])
def test_metrics_are_checked_whatever_the_model(make_folder, metrics, model):
    options = train_options(make_folder('noisy'), model_type=model)
    options['val']['metrics'] = metrics
    assert any('val.metrics' in problem and 'must be a group of options' in problem for problem in check(options)[0])
