"""What a finished fit says: figures that need no clean image, what was used, and what to do next."""

import shlex

from amsnet_basicsr.fit.networks import TEACHER, start_weights
from amsnet_basicsr.fit.state import Fit

_ENOUGH_LIKENESS = 32.0
"""PSNR of the student to its teacher, in dB, from which on they are hard to tell apart."""
_REPORT = """\
# {name}: a denoiser for these images

![noisy, teacher, student](progress/result.png)

*Held-out crops: noisy | teacher | student. Look at these first: the figures below need no clean image, and none of them
says how good the result looks.*

| on the held-out patches | |
|---|---|
{figures}

Most of the loss on hidden pixels is the noise itself, so it falls little; it must fall below that of the neighbours.
The PSNR to the teacher tells how well the student copies, not how well either denoises.

{doubts}## What was done

- Images: {prepare[images]} used ({prepare[held_out_images]} of them held out), {left_out_images} left out,
  {prepare[thinned]} more not needed
- Patches: {prepare[train]} to train on, {prepare[held_out]} held out, {prepare[side]} to {prepare[largest]} pixels wide
- Strides: {prepare[train_stride]} to train, {prepare[test_stride]} to denoise; {prepare[reason]}
- Teacher: NAFNet of width {width}, {plan[teacher]} steps of {plan[batch]} crops of {plan[crop]}×{plan[crop]}{init}
- Student: NAFNet, {plan[student]} steps on {plan[patches]} patches denoised by the teacher
- Seed {seed}. `--iterations {plan[teacher]}` does the same again, without regard to time; on a CPU with as many
  threads, interrupted or not, to the last bit

| stage | seconds |
|---|---|
{seconds}

{left_out}## Next

```bash
{next}
```
"""


def write_report(fit: Fit) -> str:
    """Write the report of a fit whose figures are all there, Markdown."""
    prepare, settings = fit.facts('prepare'), fit.settings
    left_out = [f'- {name}: {why}' for name, why in prepare['left_out'].items()]
    return _REPORT.format(
        name=fit.folder.name,
        figures='\n'.join(f'| {name} | {figure} |' for name, figure in _figures(fit).items()),
        doubts=''.join(f'**{line}**\n\n' for line in doubts(fit)),
        prepare=prepare,
        left_out_images=len(left_out),
        plan=fit.facts('plan'),
        width=settings.width,
        seed=settings.seed,
        init=f', from {path}' if (path := start_weights(settings)) else '',
        seconds='\n'.join(f'| {name} | {seconds:.0f} |' for name, seconds in fit.seconds.items()),
        left_out='\n'.join(['Left out:', '', *left_out, '', '']) if left_out else '',
        next='\n'.join(next_steps(fit)),
    )


def _figures(fit: Fit) -> dict[str, str]:
    teacher, pack = fit.facts('teacher'), fit.facts('pack')
    figures = {'loss on hidden pixels, mean of the neighbours': f'{teacher["neighbours"]:.4f}'}
    for step, value in [*teacher['curve'][:1], *teacher['curve'][-1:]]:
        figures[f'loss on hidden pixels, teacher after {step} steps'] = f'{value:.4f}'
    figures["PSNR of the noisy patches to the teacher's result"] = f'{pack["noisy_to_teacher"]:.2f} dB'
    figures["PSNR of the student's result to the teacher's"] = f'{pack["student_to_teacher"]:.2f} dB'
    if 'gain' in pack:
        change = f'{-pack["gain"]:+.1f} ± {pack["standard_error"]:.1f}'
        figures['estimated mean squared error for values from 0 to 255, student minus shipped model'] = change
    figures['teacher, seconds a megapixel'] = f'{pack["teacher_seconds"]:.1f}'
    figures['student, seconds a megapixel'] = f'{pack["student_seconds"]:.2f}'
    return figures


def is_advised(fit: Fit) -> bool:
    """Whether the fit is worth using: clearly better than the shipped model, and trained enough."""
    return bool(fit.facts('pack').get('is_better')) and _predicts(fit)


def _predicts(fit: Fit) -> bool:
    """Whether the teacher, if one was trained, predicts hidden pixels better than the mean of their neighbours does."""
    teacher = fit.facts('teacher')
    return not teacher['curve'] or teacher['curve'][-1][1] < teacher['neighbours']


def doubts(fit: Fit) -> list[str]:
    """List what is wrong with the result, a sentence each."""
    teacher, pack = fit.facts('teacher'), fit.facts('pack')
    likeness, found = pack['student_to_teacher'], []
    if 'is_better' not in pack:
        found.append(
            'The noise of these images cannot be estimated (too few flat areas or held-out patches, or noise that '
            'differs too much), so whether this model is better than the shipped one is unknown: compare by eye.'
        )
    elif not pack['is_better']:
        found.append(
            'This model is not clearly better than the shipped one: its mean squared error for values from 0 to 255 '
            f'differs by {-pack["gain"]:+.1f} ± {pack["standard_error"]:.1f}, as estimated from the noise, which may '
            'be a tenth weaker. Use amsnet-denoise without --model, try amsnet-denoise adapt, or train longer '
            '(--minutes).'
        )
    if not _predicts(fit):
        found.append(
            f'The teacher predicts hidden pixels no better ({teacher["curve"][-1][1]:.4f}) than the mean of their '
            f'neighbours does ({teacher["neighbours"]:.4f}): it needs longer training (--minutes).'
        )
    if likeness < _ENOUGH_LIKENESS:
        found.append(
            f'The student is still far from its teacher ({likeness:.1f} dB): train longer (--minutes), or denoise by '
            'teacher.safetensors, which takes longer.'
        )
    return found


def next_steps(fit: Fit) -> list[str]:
    """Commands to type next, a comment above each."""
    folder, minutes = fit.folder, 4 * fit.settings.minutes
    model, teacher = shlex.quote(str(folder)), shlex.quote(str(folder / TEACHER))
    use = [
        '# clean the images',
        f'amsnet-denoise IMAGES -o cleaned --model {model}',
        '# slower, often a little better: the teacher itself',
        f'amsnet-denoise IMAGES -o cleaned_by_teacher --model {teacher}',
    ]
    if not is_advised(fit):
        use = ['# clean the images, by the shipped model', 'amsnet-denoise IMAGES -o cleaned']
    return [
        *use,
        '# longer training from where this one ended',
        f'amsnet-denoise fit IMAGES -o {shlex.quote(f"{folder}_2")} --minutes {minutes:g} --init {teacher}',
    ]
