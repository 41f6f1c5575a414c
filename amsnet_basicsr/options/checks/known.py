"""Which options there are, and what they may be: BasicSR's and ours.

What networks, losses, optimizers and schedulers take is not here: their constructors are asked (`preflight.build`); nor
the `scheme` block, which its own class reads.
"""

from amsnet_basicsr.options.checks.kinds import (
    Group,
    Kind,
    choice,
    count,
    either,
    flag,
    folder_name,
    listing,
    number,
    or_none,
    set_name,
    settings,
    text,
    whole,
)

#: The losses that our models read in `train`.
LOSSES = {'AMSNetModel': frozenset({'mask_opt', 'smooth_opt'}), 'APBSNModel': frozenset({'pixel_opt'})}
#: Those of BasicSR's model that trains students.
SR_LOSSES = {'SRModel': frozenset({'pixel_opt', 'perceptual_opt'})}
ALL_LOSSES = ('mask_opt', 'smooth_opt', 'pixel_opt', 'perceptual_opt')
#: Keys of `train` and of the top level that only our models read.
OURS_IN = {'train': frozenset('amp accumulate checkpointing'.split()), 'val': frozenset(['batch_size'])}
OURS_AT_TOP = frozenset(['compile'])
#: What BasicSR writes into the options itself.
BASICSR_SETS = frozenset('root_path dist rank world_size auto_resume is_train'.split())
BASICSR_SETS_PATHS = frozenset('models training_states log visualization'.split())
SCHEDULERS = ('MultiStepLR', 'MultiStepRestartLR', 'CosineAnnealingRestartLR')

_TYPED = Group({'type': text})

TOP_LEVEL: dict[str, Kind] = {
    'plugin': text,
    'name': folder_name,
    'model_type': text,
    'scale': whole(1),
    'num_gpu': either(choice('auto'), whole(0, 1024)),
    'manual_seed': or_none(whole(0, 2**31 - 1)),
    'scheme': or_none(settings),
    'report': or_none(settings),
    'find_unused_parameters': or_none(flag),
    'channels_last': or_none(flag),
    'compile': or_none(flag),
}
#: The groups at the top level, but for `datasets`.
SECTIONS: dict[str, Group] = {
    'network_g': _TYPED,
    'train': Group(
        {
            'ema_decay': number(least=0, below=1),
            'optim_g': Group(
                {
                    'type': text,
                    'lr': number(above=0),
                    'weight_decay': number(least=0),
                    'betas': listing(number(least=0, below=1), 2),
                }
            ),
            'scheduler': Group(
                {
                    'type': text,
                    'periods': listing(count(1)),
                    'milestones': listing(count(0)),
                    'restarts': listing(count(0)),
                    'restart_weights': listing(number()),
                    'gamma': number(above=0),
                    'eta_min': number(least=0),
                }
            ),
            'total_iter': count(1, 'a number of iterations'),
            'warmup_iter': count(-1, 'a number of iterations, or -1 for none'),
            'grad_clip_norm': or_none(number(least=0)),
            'on_bad_loss': choice('stop', 'skip'),
            'amp': or_none(choice(False, True, 'bf16', 'fp16')),
            'accumulate': whole(1),
            'checkpointing': or_none(flag),
            **{loss: Group(_TYPED.keys, none=True) for loss in ALL_LOSSES},
        }
    ),
    'val': Group(
        {
            'val_freq': count(1, 'a number of iterations'),
            'save_img': flag,
            'suffix': or_none(set_name),
            'pbar': or_none(flag),
            'metrics': or_none(settings),
            'batch_size': whole(1, 10**6),
            'strip': whole(0),
            'save_best': or_none(either(text, settings)),
        },
        none=True,
    ),
    'logger': Group(
        {
            'print_freq': count(1, 'a number of iterations'),
            'save_checkpoint_freq': count(1, 'a number of iterations'),
            'use_tb_logger': flag,
            'wandb': Group({'project': or_none(text), 'resume_id': or_none(text)}, none=True),
        }
    ),
    'path': Group(
        {
            'pretrain_network_g': or_none(text),
            'param_key_g': or_none(text),
            'strict_load_g': or_none(flag),
            'resume_state': or_none(text),
            'ignore_resume_networks': or_none(either(text, listing(text))),
            'experiments_root': or_none(text),
            'results_root': or_none(text),
        }
    ),
    'dist_params': Group(
        {'backend': choice('nccl', 'gloo'), 'port': whole(1, 65535), 'timeout': number(above=0)}, none=True
    ),
}
#: What a metric's settings may be, whatever metric it is.
METRIC = Group(
    {
        'type': text,
        'crop_border': whole(0),
        'test_y_channel': flag,
        'input_order': choice('HWC', 'CHW'),
        'better': choice('higher', 'lower'),
    }
)

#: Keys that BasicSR reads from the options of any dataset.
LOADER: dict[str, Kind | Group] = {
    'name': set_name,
    'type': text,
    'phase': text,
    'scale': whole(1),
    'io_backend': Group({'type': choice('disk', 'lmdb', 'memcached')}, none=True),
    'num_worker_per_gpu': whole(0, 1024),
    'batch_size_per_gpu': whole(1, 10**6),
    'dataset_enlarge_ratio': number(above=0, most=1e7),
    'prefetch_mode': or_none(choice('cpu', 'cuda')),
    'num_prefetch_queue': whole(1),
    'pin_memory': or_none(flag),
    'persistent_workers': or_none(flag),
    'use_shuffle': or_none(flag),
}
_AUGMENT = {'use_hflip': flag, 'use_rot': flag}
_RANGE = or_none(either(number(above=0), listing(number(above=0), 2)))
_PAIRS = {
    'dataroot_gt': text,
    'dataroot_lq': text,
    'meta_info_file': or_none(text),
    'filename_tmpl': text,
    'gt_size': whole(1),
    'color': or_none(text),
    'mean': or_none(listing(number())),
    'std': or_none(listing(number(above=0))),
    **_AUGMENT,
}
#: What the known datasets take beyond that.
DATASETS: dict[str, dict[str, Kind | Group]] = {
    'NoisyImageDataset': {
        'dataroot_lq': or_none(text),
        'dataroots': or_none(listing(text)),
        'meta_info_file': or_none(text),
        'crop_size': or_none(whole(1)),
        'cache_mb': or_none(number(least=0)),
        'on_bad_image': choice('error', 'skip'),
        'check_images': flag,
        **_AUGMENT,
    },
    'CameraNoiseDataset': {
        'dataroot_gt': or_none(text),
        'scenes': or_none(listing(text)),
        'camera': or_none(either(text, settings)),
        'iso': _RANGE,
        'jpeg': _RANGE,
        'seed': whole(-(10**12)),
        'shots': whole(1),
        'crop_size': or_none(whole(1)),
        'cache_mb': number(least=0),
        **_AUGMENT,
    },
    'PairedPhotosDataset': {key: or_none(text) for key in ('dataroot', 'noisy', 'clean', 'dataroot_lq', 'dataroot_gt')},
    'PairedImageDataset': _PAIRS,
    'SingleImageDataset': {key: _PAIRS[key] for key in ('dataroot_lq', 'meta_info_file', 'color', 'mean', 'std')},
}
#: Those that are ours: their unknown keys are problems, not notes.
OUR_DATASETS = ('NoisyImageDataset', 'CameraNoiseDataset', 'PairedPhotosDataset')
#: Datasets whose images have no clean ones beside them.
WITHOUT_TRUTH = ('NoisyImageDataset', 'SingleImageDataset')
