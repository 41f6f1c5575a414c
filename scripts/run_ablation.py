"""Run a comparison of settings, such as the paper's ablations at small scale: train, test, tabulate, plot.

    python scripts/run_ablation.py --list
    python scripts/run_ablation.py mask_ratio --seeds 0 1 2
    python scripts/run_ablation.py mask_ratio --collect --write docs/results/ablations.md

NAME is a file of options/ablation with several `settings:`. Each is trained by `python -m amsnet_basicsr.train` and
tested by its `report:`; one without `train:` only tests the weights of another. Started again, the command resumes.

results/ablation/NAME gets table.md, results.csv and plot.png of all runs that are finished, whatever their seeds, and
in runs/ a record and a log of each run; weights and images are in experiments/, as always.
"""

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ablation.runner import Runner
from ablation.runs import Record, missing_data, plan_runs, read_records, recorded_seeds
from ablation.tables import plot, table, write_csv
from page import check_marks, write_between_marks

from amsnet_basicsr.options.settings import Comparison, no_such, read_comparison
from amsnet_basicsr.utils.atomic_write import atomic_write

OPTIONS = Path(__file__).resolve().parent.parent / 'options' / 'ablation'


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', nargs='?', metavar='NAME', help='which comparison; see --list')
    parser.add_argument('--list', action='store_true', help='name the comparisons and their settings')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='a run of each setting for each; default: 0')
    parser.add_argument('--only', nargs='+', metavar='SETTING', help='run these settings, and those they start from')
    parser.add_argument('--jobs', type=int, default=1, help='runs at once, of one thread each if several; default: 1')
    parser.add_argument('--root', type=Path, default=Path(), help='folder with datasets/; default: the current one')
    parser.add_argument('--options', type=Path, default=OPTIONS, help='folder of NAME.yml; default: %(default)s')
    parser.add_argument('--collect', action='store_true', help='run nothing, tabulate what is finished')
    parser.add_argument('--reference', metavar='SETTING', help='what the table compares the others with')
    parser.add_argument('--write', type=Path, metavar='PAGE', help='put table and plot into this page, between marks')
    args = parser.parse_args(argv)
    if not args.list and args.name is None:
        parser.error(f'NAME is missing; there are: {", ".join(comparisons(args.options))}')
    if args.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {args.jobs}')
    if min(args.seeds) < 0 or len(set(args.seeds)) < len(args.seeds):
        parser.error(f'--seeds must be different whole numbers, got {" ".join(map(str, args.seeds))}')
    return args


def comparisons(folder: Path) -> dict[str, Path]:
    """The files of a folder by name."""
    return {file.stem: file for file in sorted(folder.glob('*.yml'))}


def read_and_check(args: argparse.Namespace) -> Comparison:
    """Read the settings, and find out now what would fail after hours.

    Raises:
        ValueError: With what is wrong.
    """
    files = comparisons(args.options)
    if args.name not in files:
        raise ValueError(no_such(f'{args.options} has no comparison', args.name, files))
    comparison = read_comparison(files[args.name])
    for setting in comparison.settings.values():
        if not isinstance(setting.options.get('report'), dict) or 'manual_seed' not in setting.options:
            raise ValueError(f'{setting.file}: settings.{setting.name}: manual_seed and report must be there')
    for name in [*(args.only or []), *([args.reference] if args.reference else [])]:
        if name not in comparison.settings:
            raise ValueError(no_such(f'{args.name} has no setting', name, comparison.settings))
    if importlib.util.find_spec('matplotlib') is None:
        raise ValueError("the plot needs matplotlib: pip install -e '.[plots]'")
    if args.write is not None:
        check_marks(args.write, *marks(args.name))
    if not args.collect and (missing := missing_data(comparison.settings.values(), args.root)):
        raise ValueError(f'{missing}; docs/results/results.md says how to make datasets/sidd, or name another --root')
    return comparison


def marks(name: str) -> tuple[str, str]:
    """The lines of a page between which a comparison's table stands."""
    return f'<!-- measured by scripts/run_ablation.py {name} -->', f'<!-- end of {name} -->'


def show(
    args: argparse.Namespace, folder: Path, records: Sequence[Record], order: Sequence[str], reference: str
) -> None:
    """Write and print what the finished runs gave."""
    text = table(records, order, reference)
    with atomic_write(folder / 'table.md') as file:
        file.write(f'{text}\n'.encode())
    write_csv(folder / 'results.csv', records)
    plot(folder / 'plot.png', records, order, args.name)
    print(f'{text}\n\nTable, figures and plot: {folder}')
    if args.write is not None:
        image = args.write.parent / 'images' / f'ablation_{args.name}.png'
        image.parent.mkdir(exist_ok=True)
        with atomic_write(image) as file:
            file.write((folder / 'plot.png').read_bytes())
        plotted = f'![PSNR by setting: {args.name}](images/{image.name})'
        write_between_marks(args.write, *marks(args.name), f'\n{text}\n\n{plotted}\n')


def main(argv: Sequence[str] | None = None) -> int:
    """Run a comparison; return the exit status: 1 if a run failed, 130 if stopped."""
    args = parse_arguments(argv)
    args.root, args.options = args.root.resolve(), args.options.resolve()
    try:
        if args.list:
            for name, file in comparisons(args.options).items():
                print(f'{name}: {", ".join(read_comparison(file).settings)}')
            return 0
        comparison = read_and_check(args)
        folder = args.root / 'results' / 'ablation' / args.name
        runner = Runner(args.root, folder, args.jobs)
        stopped = False
        if not args.collect:
            try:
                runner.do(plan_runs(comparison.settings, args.seeds, args.only))
            except KeyboardInterrupt:
                stopped = True
        found = read_records(folder, plan_runs(comparison.settings, recorded_seeds(folder)))
        records = [record for record in found.values() if record.figures]
        if records:
            show(args, folder, records, list(comparison.settings), args.reference or comparison.reference)
        else:
            print('No run is finished.')
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    if stopped:
        print(f'Stopped. To resume: {shlex.join(["python", *(sys.argv if argv is None else [__file__, *argv])])}')
        return 130
    return 1 if runner.failed else 0


if __name__ == '__main__':
    sys.exit(main())
