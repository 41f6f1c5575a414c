"""Run what is left of a fit. Each stage can be run again after a kill and resumes where it was."""

from collections.abc import Callable
from typing import Any

from amsnet_basicsr.denoise.denoiser import DenoiseError
from amsnet_basicsr.fit.networks import TEACHER, put_start_weights, trained_weights
from amsnet_basicsr.fit.stages.learn import make_pairs, train_student, train_teacher
from amsnet_basicsr.fit.stages.pack import is_finished, pack
from amsnet_basicsr.fit.stages.prepare import has_patches, plan, prepare
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say


def run_stages(fit: Fit) -> None:
    """Run each stage that is not done or whose result is missing; after a UserError a later run resumes."""
    stages: dict[str, tuple[Callable[[Fit, dict[str, Any]], None], Callable[[], bool]]] = {
        'prepare': (prepare, lambda: has_patches(fit)),
        'plan': (plan, lambda: True),
        'teacher': (train_teacher, (fit.folder / TEACHER).is_file),
        'pairs': (make_pairs, (fit.folder / 'pairs' / 'train.txt').is_file),
        'student': (train_student, (fit.folder / trained_weights('student', 'latest')).is_file),
        'pack': (pack, lambda: is_finished(fit)),
    }
    put_start_weights(fit)
    for name, (run, is_there) in stages.items():
        if fit.done(name) and is_there():
            say(f'{name}: done before')
            continue
        try:
            with fit.stage(name) as facts:
                run(fit, facts)
        except DenoiseError as error:
            raise UserError(f'{name}: {error}') from None
