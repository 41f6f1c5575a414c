"""Showing the results of a comparison: a Markdown table, a CSV file, a plot."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import page
from ablation.figures import Figure, Spread
from ablation.runs import Record

from amsnet_basicsr.utils.atomic_write import atomic_write

_PLAIN = ('noisy input', 'blur')


def methods(records: Iterable[Record]) -> list[str]:
    """What was measured beside the noisy input and blur, in the order of the reports."""
    found = (figure.method for record in records for figure in record.figures or [])
    return [method for method in dict.fromkeys(found) if method not in _PLAIN]


def set_names(records: Iterable[Record]) -> list[str]:
    """The data sets in the order of the reports: the first is the one to choose by."""
    return list(dict.fromkeys(figure.set_name for record in records for figure in record.figures or []))


def pick(records: Iterable[Record], set_name: str, method: str) -> dict[str, dict[int, Figure]]:
    """The figures of one set and method, by setting and seed."""
    found: dict[str, dict[int, Figure]] = {}
    for record in records:
        for figure in record.figures or []:
            if (figure.set_name, figure.method) == (set_name, method):
                found.setdefault(record.setting, {})[record.seed] = figure
    return found


def table(records: Sequence[Record], order: Sequence[str], reference: str) -> str:
    """Write the table of a comparison, with what its cells are, in Markdown.

    Args:
        records: Finished runs.
        order: Names of all settings; those without a run are listed as missing.
        reference: The setting that the others are compared with, on the first set.
    """
    sets = set_names(records)
    compare = any(record.setting == reference for record in records)
    head, columns = ['setting', 'seeds'], []  # columns: name of the set, '' for differences; cells by setting
    for set_name in sets:
        for method in methods(records):
            figures = pick(records, set_name, method)
            head.append(f'{set_name}, {method}')
            columns.append((set_name, {name: _cell(list(seeds.values())) for name, seeds in figures.items()}))
            if set_name == sets[0] and compare:
                other = figures.pop(reference, {})
                head.append(f'minus {reference}')
                columns.append(('', {name: _difference(seeds, other) for name, seeds in figures.items()}))
    rows: list[list[object]] = []
    for method in _PLAIN:
        plain = {}
        for name in sets:
            same = {figure for seeds in pick(records, name, method).values() for figure in seeds.values()}
            plain[name] = _cell(list(same)) if len(same) == 1 else ''
        rows.append([method, '', *(plain.get(name, '') for name, _ in columns)])
    missing = []
    for setting in order:
        if seeds := {record.seed for record in records if record.setting == setting and record.figures}:
            rows.append([setting, len(seeds), *(cells.get(setting, '') for _, cells in columns)])
        else:
            missing.append(setting)
    text = page.table(head, rows)
    several = '±' in text
    note = 'PSNR in dB / SSIM' + ', mean ± sample standard deviation over the seeds' * several
    if compare:
        interval = ", with its 95 % confidence interval by Student's t" * several
        note += f'; "minus {reference}": difference in PSNR, seed by seed{interval}'
    not_run = f'\n\nNot run yet: {", ".join(missing)}.' if missing else ''
    return f'{text}\n\n({note}.){not_run}'


def _cell(figures: Sequence[Figure]) -> str:
    if not figures:
        return ''
    psnr, ssim = (Spread.of([getattr(figure, key) for figure in figures]) for key in ('psnr', 'ssim'))
    error = '' if psnr.deviation is None else f' ± {psnr.deviation:.2f}'
    return f'{psnr.mean:.2f}{error} / {ssim.mean:.4f}'.replace('/ 0.', '/ .').replace('/ -0.', '/ -.')


def _difference(figures: dict[int, Figure], reference: dict[int, Figure]) -> str:
    """Compare seed by seed: what a seed does to both cancels out."""
    common = [figures[seed].psnr - reference[seed].psnr for seed in sorted(figures.keys() & reference.keys())]
    if not common:
        return ''
    spread = Spread.of(common)
    half = spread.half_interval
    interval = '' if half is None else f' ({spread.mean - half:+.2f} to {spread.mean + half:+.2f})'
    return f'{spread.mean:+.2f}{interval}'


def write_csv(path: Path, records: Iterable[Record]) -> None:
    """Write every figure of every run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['setting', 'seed', 'set', 'method', 'psnr_db', 'ssim'])
    for record in records:
        for figure in record.figures or []:
            writer.writerow([record.setting, record.seed, figure.set_name, figure.method, figure.psnr, figure.ssim])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def plot(path: Path, records: Sequence[Record], order: Sequence[str], title: str) -> None:
    """Draw PSNR by setting, a panel for each set; error bars are standard deviations over the seeds."""
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
            places = [place for place, setting in enumerate(order) if setting in by_setting]
            spreads = [Spread.of([one.psnr for one in by_setting[order[place]].values()]) for place in places]
            errors = [math.nan if spread.deviation is None else spread.deviation for spread in spreads]  # nan: no bar
            xs = [place + 0.16 * (number - (len(shown) - 1) / 2) for place in places]
            means = [spread.mean for spread in spreads]
            axis.errorbar(xs, means, errors, fmt='o', markersize=4, capsize=3, label=method)
        short = max(map(len, order)) <= 5
        axis.set(title=set_name, ylabel='PSNR, dB', xticks=range(len(order)))
        axis.set_xticklabels(order, rotation=0 if short else 45, ha='center' if short else 'right')
        axis.grid(axis='y', alpha=0.3)
    figure.suptitle(title)
    labels = axes[0][0].get_legend_handles_labels()
    figure.legend(*labels, loc='outside lower center', ncols=len(shown), fontsize='small')
    with atomic_write(path) as file:
        figure.savefig(file, dpi=110, format='png')
    pyplot.close(figure)
