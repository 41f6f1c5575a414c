"""What a state was saved with, and what of it has changed when a training resumes.

The rule: the options file counts. Only the seed stays that of the state, since it decides the order of the data.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.utils.text import one_line

DATA = ('images', 'batch', 'processes', 'datasets.train')
"""Beginnings of what the place in an epoch depends on."""
_WITHOUT_EFFECT = (
    'datasets.train.dataroot', 'datasets.train.meta_info', 'datasets.train.num_worker', 'datasets.train.prefetch',
    'datasets.train.pin_memory', 'datasets.train.persistent_workers', 'train.total_iter', 'train.accumulate',
    'train.checkpointing', 'datasets.train.channels', 'train.on_bad_loss',
)  # fmt: skip


def made_with(opt: Mapping[str, Any], images: int, batch: int) -> dict[str, Any]:
    """Collect what a state is saved with, as plain values: options, training images, batch of one process."""
    recorded = {key: opt[key] for key in opt if key in ('model_type', 'scale', 'scheme', 'train') or 'network_' in key}
    recorded['datasets'] = {'train': opt['datasets']['train']}
    recorded |= {'images': images, 'batch': batch, 'processes': opt['world_size']}
    return json.loads(json.dumps(recorded, default=str))


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Say what has changed and matters for the result, a sentence by dotted name; in the log and by the check."""
    return {
        key: f'{key} was {one_line(repr(was))} when the state was saved; the file counts: {one_line(repr(now))}'
        for key, was, now in differences(old, new)
    }


def differences(old: Any, new: Any, key: str = '') -> Iterator[tuple[str, Any, Any]]:
    """Yield dotted name, old and new value of what has changed and matters for the result."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            yield from differences(old.get(name), new.get(name), f'{key}.{name}' if key else str(name))
    elif old != new and not key.startswith(_WITHOUT_EFFECT):
        yield key, old, new
