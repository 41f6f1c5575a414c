"""Plot validation metrics over the iterations, from the log that BasicSR writes beside the weights.

    python scripts/plot_training.py experiments/train_amsnet_sidd_small/train_*.log -o curve.png

Needs matplotlib. Prints the figures as a Markdown table too.
"""

import argparse
import re
from pathlib import Path

_ITERATION = re.compile(r'iter: +([\d,]+), lr')
_SET = re.compile(r'INFO: Validation (\S+)$')
_METRIC = re.compile(r'# (\w+): (-?\d+\.\d+)')


def read_log(path: Path) -> dict[str, dict[int, float]]:
    """Collect the metrics of each validation.

    Args:
        path: Log of a training.

    Returns:
        For each `set/metric` its value by iteration. The last validation, after the end, counts for the last iteration
        logged before it.
    """
    curves: dict[str, dict[int, float]] = {}
    iteration, set_name = 0, ''
    for line in path.read_text(encoding='utf-8').splitlines():
        if found := _ITERATION.search(line):
            iteration = int(found[1].replace(',', ''))
        elif found := _SET.search(line):
            set_name = found[1]
        elif set_name and (found := _METRIC.search(line)):
            curves.setdefault(f'{set_name}/{found[1]}', {})[iteration] = float(found[2])
    return curves


def main() -> None:
    """Parse the arguments, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('log', type=Path, nargs='+', help='logs; later ones go on where earlier ones stopped')
    parser.add_argument('-o', '--output', type=Path, required=True, help='image to write')
    arguments = parser.parse_args()
    curves: dict[str, dict[int, float]] = {}
    for path in arguments.log:
        for name, values in read_log(path).items():
            curves.setdefault(name, {}).update(values)
    if not curves:
        parser.error('the log holds no validation')
    iterations = sorted({iteration for values in curves.values() for iteration in values})
    print('| iteration |' + ''.join(f' {name} |' for name in curves))
    print('|---|' + '---|' * len(curves))
    for iteration in iterations:
        cells = (f' {values[iteration]:.4f} |' if iteration in values else ' |' for values in curves.values())
        print(f'| {iteration} |' + ''.join(cells))

    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 3), squeeze=False)
    for axis, (name, values) in zip(axes[0], curves.items(), strict=True):
        axis.plot(list(values), list(values.values()), marker='.')
        axis.set(title=name, xlabel='iteration')
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(arguments.output, dpi=120)


if __name__ == '__main__':
    main()
