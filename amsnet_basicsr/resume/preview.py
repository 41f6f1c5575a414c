"""What resuming would do, for the check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amsnet_basicsr.resume.changes import DATA, describe_changes, made_with
from amsnet_basicsr.resume.checkpoints import read_state
from amsnet_basicsr.resume.states import state_to_resume
from amsnet_basicsr.utils.errors import UserError

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
