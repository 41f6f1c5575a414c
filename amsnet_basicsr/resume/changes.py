"""What a state was saved with, and what of it has changed when a training resumes.

The rule: the options file counts. Only the seed stays that of the state, since it decides the order of the data.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amsnet_basicsr.resume.checkpoints import read_state
from amsnet_basicsr.resume.states import state_to_resume
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line

DATA = ('images', 'batch', 'processes', 'datasets.train')
"""Beginnings of what the place in an epoch depends on."""
_WITHOUT_EFFECT = (
    'datasets.train.dataroot', 'datasets.train.meta_info', 'datasets.train.num_worker', 'datasets.train.prefetch',
    'datasets.train.pin_memory', 'datasets.train.persistent_workers', 'train.total_iter', 'train.accumulate',
    'train.checkpointing', 'datasets.train.channels', 'train.on_bad_loss',
)  # fmt: skip
_CONSEQUENCES = (
    (
        ('train.optim_', 'train.scheduler', 'train.warmup_iter'),
        'The learning rate follows the schedule of the file as if from the start; an optimizer of the same type keeps '
        'its moments, another starts from scratch',
    ),
    (DATA, 'The epoch starts over, as its data have changed: the run is no exact continuation'),
    (('network_',), 'Weights that do not fit the changed network end the training at once: give it another name'),
)
"""What follows from changed options, by their beginnings."""


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


def preview_resume(opt: Mapping[str, Any], images: int) -> list[str]:
    """Say which state a training would resume from, and what has changed since it was saved. Nothing is written.

    Args:
        opt: BasicSR's options; without `path.resume_state`, they are taken as with `--auto_resume`.
        images: Number of training images.

    Returns:
        One line each; none if there is nothing to resume.
    """
    named = opt['path'].get('resume_state')
    how = 'path.resume_state' if named else '--auto_resume'
    try:
        path, lines = state_to_resume({**opt, 'auto_resume': not named})
        if path is None:
            return lines
        state = read_state(path)
    except UserError as error:
        return [str(error)]
    iteration, total = state['iter'], opt['train']['total_iter']
    if iteration > total:
        return [*lines, f'{how} cannot resume from {path} of iteration {iteration}: train.total_iter is {total}']
    lines.append(f'{how} resumes from {_shown(path)}, iteration {iteration} of {total}')
    if not named:
        lines.append(f'Without --auto_resume, {_shown(path.parent.parent)} is renamed and training starts from scratch')
    if not state.get('made_with'):
        return [*lines, 'The state does not tell which options it was saved with']
    gpus = 1 if opt['dist'] else max(1, opt['num_gpu'])
    now = made_with(opt, images, opt['datasets']['train']['batch_size_per_gpu'] * gpus)
    changed = describe_changes(state['made_with'], now)
    consequences = [said for keys, said in _CONSEQUENCES if any(key.startswith(keys) for key in changed)]
    return [*lines, *changed.values(), *consequences]


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
