"""Whether datasets can be built, hold images, and yield enough batches."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from amsnet_basicsr.options.blocks.datasets import DATASETS, WITHOUT_TRUTH, Channels
from amsnet_basicsr.options.blocks.file import OUR_MODELS
from amsnet_basicsr.options.blocks.messages import Finding, wrong
from amsnet_basicsr.options.checks.build import attempt


def build_dataset(dataset: Mapping[str, Any]) -> Any:
    """Build a dataset as BasicSR will, but without reading every image."""
    from basicsr.utils.registry import DATASET_REGISTRY

    dataset_opt: dict[str, Any] = copy.deepcopy(dict(dataset))
    if dataset_opt['type'] == 'NoisyImageDataset':
        # To count the rest, it must find those that it skips.
        dataset_opt.update(check_images=dataset_opt.get('on_bad_image') == 'skip', cache_mb=0)
    elif dataset_opt['type'] == 'CameraNoiseDataset':
        dataset_opt['cache_mb'] = 0  # counting needs no noise
    made = DATASET_REGISTRY.get(dataset_opt['type'])(dataset_opt)
    if not len(made):
        raise ValueError('it holds no image')
    return made


def build_datasets(opt: Mapping[str, Any], clean: Callable[..., bool]) -> tuple[list[Finding], dict[str, Any]]:
    """Build the datasets without known problems; return what is wrong, and by phase those that hold images."""
    findings: list[Finding] = []
    built: dict[str, Any] = {}
    for phase, dataset in opt['datasets'].items():
        if clean('datasets', phase):
            reason, built[phase] = attempt(partial(build_dataset, dataset))
            if reason is not None:
                del built[phase]
                findings.append(wrong(reason, 'datasets', phase))
    return findings, built


def wrong_loading(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find settings of the loaders that contradict each other, and training sets that a model cannot learn from."""
    for phase, dataset in opt['datasets'].items():
        problems = {}
        if dataset.get('persistent_workers') and not (phase == 'train' and dataset.get('num_worker_per_gpu')):
            or_else = ', or set num_worker_per_gpu' if phase == 'train' else ''
            problems['persistent_workers'] = f'there are no workers to persist; take it out{or_else}'
        if phase == 'train' and dataset.get('prefetch_mode') == 'cuda':
            if not opt.get('num_gpu'):
                problems['prefetch_mode'] = 'cuda needs a GPU; write ~ or cpu'
            elif dataset.get('pin_memory') is not True:
                problems['pin_memory'] = 'prefetch_mode: cuda needs it; write true'
        for key, said in problems.items():
            yield wrong(said, 'datasets', phase, key)
    kind = opt['datasets'].get('train', {}).get('type') if opt['is_train'] else None
    if opt.get('model_type') == 'SRModel' and kind in (*WITHOUT_TRUTH, 'CameraNoiseDataset'):
        said = f'SRModel learns from pairs, and {kind} has no clean images to train on'
        yield wrong(f'{said}; take PairedImageDataset, or model_type: {next(iter(OUR_MODELS))}', 'datasets', 'train')


def set_channels(opt: Mapping[str, Any], sound: Mapping[str, Any], channels: int) -> Iterator[Finding]:
    """Tell datasets how many channels the network takes, in `opt` and `sound`; find those that say or give others."""
    takes = f'the network takes images of {channels} channel{"s" * (channels > 1)}'
    for phase, dataset in sound['datasets'].items():
        kind = DATASETS.get(dataset.get('type', ''))
        if kind is not None and issubclass(kind, Channels):
            if dataset.setdefault('channels', channels) != channels:
                yield wrong(f'{takes}, so leave this out', 'datasets', phase, 'channels')
            opt['datasets'][phase]['channels'] = channels
        elif kind is not None and channels != (given := 1 if dataset.get('color') == 'y' else 3):
            hint = ' or give it color: y' if channels == 1 and 'color' in kind.model_fields else ''
            others = ', '.join(name for name, kind in DATASETS.items() if issubclass(kind, Channels))
            said = f'{takes}, and {dataset["type"]} gives {given}; take one of {others}{hint}'
            yield wrong(said, 'datasets', phase)


def raise_ratio(opt: Mapping[str, Any], sound: Mapping[str, Any], images: int) -> list[str]:
    """Raise the training set's `dataset_enlarge_ratio` if it gives too few batches; return a note on it.

    BasicSR counts the batches of an epoch rounding up, while its loader drops the last incomplete one: with few images
    the run ends early, or without a single iteration, and says "End of training". With several GPUs and no launcher it
    counts the batches of one GPU, too.
    """
    dataset_opt = sound['datasets']['train']
    processes = sound.get('world_size', 1)
    num_gpu = sound.get('num_gpu')
    devices = max(1, num_gpu) if isinstance(num_gpu, int) and not sound.get('dist') else 1
    loader_batch = dataset_opt['batch_size_per_gpu'] * devices
    counted_batch = dataset_opt['batch_size_per_gpu'] * processes
    total_iter = int(sound['train']['total_iter'])

    def reached(ratio: float) -> int:
        batches = math.ceil(images * ratio / processes) // loader_batch
        epochs = math.ceil(total_iter / math.ceil(images * ratio / counted_batch)) + 1
        return batches * epochs

    ratio = dataset_opt.get('dataset_enlarge_ratio', 1)
    if reached(ratio) >= total_iter:
        return []
    enough = math.ceil(ratio)
    while reached(enough) < total_iter:  # ends: one epoch of all iterations is enough
        enough += max(1, enough // 8)
    opt['datasets']['train']['dataset_enlarge_ratio'] = enough
    return [
        f'datasets.train.dataset_enlarge_ratio raised from {ratio} to {enough}: with {images} images in batches of '
        f'{loader_batch} the run would have ended after {reached(ratio)} of {total_iter} iterations'
    ]
