"""`benchmark.py plot`: the ratios of the tables as bars, read from the page, so that plot and tables never differ."""

import re
from pathlib import Path
from typing import NamedTuple

#: Tables, their titles in the plot, and which columns hold the ratios of time and of memory.
PANELS = {
    'train': ('A training step', 1, 3),
    'denoise': ('Denoising 256×256', 1, 3),
    'large': ('Denoising images', 2, 4),
}
_RATIO = re.compile(r'([\d.]+)(?: \(([\d.]+)–([\d.]+)\))?')


class Bar(NamedTuple):
    """What is drawn for one row of a table.

    Attributes:
        label: Network, and what else tells the rows apart.
        time: Median, first and third quartile of the ratio of times; None if the plain side didn't fit.
        memory: Ratio of peak memory; None if it wasn't or couldn't be measured.
    """

    label: str
    time: tuple[float, float, float] | None
    memory: float | None


def read_bars(page: str, name: str) -> list[Bar]:
    """Read the ratios of one table."""
    begin, end = f'benchmark.py {name} -->', f'<!-- end of {name}'
    if page.count(begin) != 1 or page.count(end) != 1:
        return []
    table = page.split(begin)[1].split(end)[0]
    _, time_column, memory_column = PANELS[name]
    bars = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if not cells[0].startswith('`') or len(cells) <= memory_column:
            continue
        found = _RATIO.fullmatch(cells[time_column])
        time = None
        if found:
            median = float(found[1])
            time = median, float(found[2] or median), float(found[3] or median)
        memory = float(cells[memory_column]) if _RATIO.fullmatch(cells[memory_column]) else None
        bars.append(Bar(' '.join(cells[:time_column]).replace('`', ''), time, memory))
    return bars


def plot(page: Path, output: Path) -> None:
    """Draw the tables of a page that hold comparisons with the plain procedure."""
    text = page.read_text(encoding='utf-8')
    panels = {name: bars for name in PANELS if (bars := read_bars(text, name))}
    if not panels:
        raise ValueError(f'{page}: there are no figures yet; measure first, with --write {page}')
    try:
        import matplotlib
    except ImportError:
        raise ValueError("the plot needs matplotlib: pip install 'amsnet_basicsr[plots]'") from None
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.6 * len(panels), 0.9 + 0.42 * max(map(len, panels.values()))), squeeze=False
    )
    for axis, (name, bars) in zip(axes[0], panels.items(), strict=True):
        for row, bar in enumerate(bars):
            if bar.time is None:
                axis.text(0.02, row - 0.2, 'one side does not fit', va='center', fontsize=7)
            else:
                median, low, high = bar.time
                axis.barh(row - 0.2, median, 0.36, color='#2a6f97', xerr=[[median - low], [high - median]], capsize=2)
            if bar.memory is not None:
                axis.barh(row + 0.2, bar.memory, 0.36, color='#d9a441')
        axis.axvline(1, color='black', linewidth=0.8)
        axis.set_yticks(range(len(bars)), [bar.label for bar in bars], fontsize=7)
        axis.invert_yaxis()
        axis.set_xlim(left=0)
        axis.set_title(PANELS[name][0], fontsize=9)
        axis.tick_params(axis='x', labelsize=7)
    axes[0][0].set_xlabel('blue: time, ochre: peak memory; 1 is the plain procedure', fontsize=7, loc='left')
    figure.tight_layout()
    figure.savefig(output, dpi=130)
    plt.close(figure)
