"""Showing what an ablation gave: a Markdown table, a CSV file, a plot."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablation.results import Record, Spread, against, pick
from amsnet_basicsr.utils.atomic_write import atomic_write

_PLAIN = ('noisy input', 'blur')


def methods(records: Sequence[Record]) -> list[str]:
    """List what was measured beside the noisy input and blur, in the order of the reports."""
    found = [figure.method for record in records for figure in record.figures or []]
    return [method for method in dict.fromkeys(found) if method not in _PLAIN]


def set_names(records: Sequence[Record]) -> list[str]:
    """List the data sets in the order of the reports: the first is the one to choose by."""
    return list(dict.fromkeys(figure.set_name for record in records for figure in record.figures or []))


def table(records: Sequence[Record], order: Sequence[str], reference: str) -> str:
    """Write the table of an ablation.

    Args:
        records: Finished runs.
        order: Names of all settings; those without a run are said to be missing.
        reference: The setting that the others are compared with, on the first set.

    Returns:
        A Markdown table and what its cells are.
    """
    sets, shown = set_names(records), methods(records)
    compare = any(record.setting == reference for record in records)
    head, columns = ['setting', 'seeds'], []
    for number, set_name in enumerate(sets):
        for method in shown:
            head.append(f'{set_name}, {method}')
            columns.append((set_name, method, False))
            if number == 0 and compare:
                head.append(f'minus {reference}')
                columns.append((set_name, method, True))
    lines = [f'| {" | ".join(head)} |', '|---' * len(head) + '|']
    for plain in _PLAIN:
        cells = [plain, '']
        for set_name, _, is_difference in columns:
            figures = [figure for by_seed in pick(records, set_name, plain).values() for figure in by_seed.values()]
            values = {(figure.psnr, figure.ssim) for figure in figures}
            cells.append('' if is_difference or len(values) != 1 else _cell([*figures][:1]))
        lines.append(f'| {" | ".join(cells)} |')
    missing = []
    for setting in order:
        seeds = {record.seed for record in records if record.setting == setting and record.figures}
        if not seeds:
            missing.append(setting)
            continue
        cells = [setting, str(len(seeds))]
        for set_name, method, is_difference in columns:
            by_setting = pick(records, set_name, method)
            mine = by_setting.get(setting, {})
            if is_difference:
                found = against(mine, by_setting.get(reference, {})) if setting != reference else None
                cells.append(_difference(found))
            else:
                cells.append(_cell(list(mine.values())))
        lines.append(f'| {" | ".join(cells)} |')
    several = any(line.count('±') for line in lines)
    note = 'PSNR in dB / SSIM'
    if several:
        note += ', mean ± sample standard deviation over the seeds'
    if compare:
        note += f'; "minus {reference}": difference in PSNR, seed by seed' + (
            ", with its 95 % confidence interval by Student's t" if several else ''
        )
    lines += ['', f'({note}.)']
    if missing:
        lines += ['', f'Not run yet: {", ".join(missing)}.']
    return '\n'.join(lines)


def _cell(figures: Sequence[Any]) -> str:
    if not figures:
        return ''
    psnr, ssim = (Spread.of([getattr(figure, key) for figure in figures]) for key in ('psnr', 'ssim'))
    error = '' if psnr.deviation is None else f' ± {psnr.deviation:.2f}'
    return f'{psnr.mean:.2f}{error} / {_ssim(ssim.mean)}'


def _ssim(value: float) -> str:
    return f'{value:.4f}'.replace('0.', '.', 1)


def _difference(spread: Spread | None) -> str:
    if spread is None:
        return ''
    half = spread.half_interval
    interval = '' if half is None else f' ({spread.mean - half:+.2f} to {spread.mean + half:+.2f})'
    return f'{spread.mean:+.2f}{interval}'


def write_csv(path: Path, records: Sequence[Record]) -> None:
    """Write every figure of every run.

    Args:
        path: The file.
        records: Finished runs.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['setting', 'seed', 'set', 'method', 'psnr_db', 'ssim'])
    for record in records:
        for figure in record.figures or []:
            writer.writerow([record.setting, record.seed, figure.set_name, figure.method, figure.psnr, figure.ssim])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def plot(path: Path, records: Sequence[Record], order: Sequence[str], title: str) -> None:
    """Draw PSNR by setting, a panel for each set; error bars are standard deviations over the seeds.

    Args:
        path: PNG to write.
        records: Finished runs.
        order: Names of the settings.
        title: Stands above.
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    sets, shown = set_names(records), methods(records)
    order = [setting for setting in order if any(record.setting == setting for record in records)]
    width = max(4.0, 0.42 * len(order) + 1.5)
    figure, axes = pyplot.subplots(1, len(sets), figsize=(width * len(sets), 3.6), squeeze=False, layout='constrained')
    for axis, set_name in zip(axes[0], sets, strict=True):
        for number, method in enumerate(shown):
            by_setting = pick(records, set_name, method)
            points = []
            for place, setting in enumerate(order):
                if setting in by_setting:
                    spread = Spread.of([one.psnr for one in by_setting[setting].values()])
                    error = math.nan if spread.deviation is None else spread.deviation  # no bar
                    points.append((place + 0.16 * (number - (len(shown) - 1) / 2), spread.mean, error))
            xs, means, errors = zip(*points, strict=True)
            axis.errorbar(xs, means, errors, fmt='o', markersize=4, capsize=3, label=method)
        axis.set(title=set_name, ylabel='PSNR, dB', xticks=range(len(order)))
        if max(map(len, order)) <= 5:
            axis.set_xticklabels(order)
        else:
            axis.set_xticklabels(order, rotation=45, ha='right')
        axis.grid(axis='y', alpha=0.3)
    figure.suptitle(title)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc='outside lower center', ncols=len(shown), fontsize='small'
    )
    with atomic_write(path) as file:
        figure.savefig(file, dpi=110, format='png')
    pyplot.close(figure)
