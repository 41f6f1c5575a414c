"""Watch a long run: does its memory grow, do files stay open?

    python scripts/soak.py -o soak/training -- python basicsr/train.py -opt options/train_amsnet_sidd_small.yml

runs the command, looks at it and its children every few seconds, writes soak/training.csv and a plot soak/training.png,
and says how memory and open files of the second fifth of the time compare with those of the last fifth. Exit status:
that of the command, or 1 if something grew by more than --most-growth. Needs matplotlib.
"""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import matplotlib
import psutil

COLUMNS = ('seconds', 'memory_mib', 'open_files', 'processes')


def look(process: psutil.Process) -> tuple[float, int, int]:
    """Measure a process and its children.

    Args:
        process: The process.

    Returns:
        Resident memory in MiB (what processes share counts once for each), open files, and number of processes.

    Raises:
        psutil.NoSuchProcess: If it has ended.
    """
    memory, files, count = process.memory_info().rss, process.num_fds(), 1
    for child in process.children(recursive=True):
        try:
            memory, files, count = memory + child.memory_info().rss, files + child.num_fds(), count + 1
        except psutil.Error:  # it has ended meanwhile
            continue
    return memory / 2**20, files, count


def watch(command: list[str], every: float, table: Path) -> int:
    """Run a command and write down what it uses.

    Args:
        command: The command.
        every: Seconds between two looks.
        table: CSV file with a line for each.

    Returns:
        The command's exit status.
    """
    start = time.monotonic()
    with table.open('w', newline='') as file, subprocess.Popen(command) as running:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        while running.poll() is None:
            try:
                memory, files, count = look(psutil.Process(running.pid))
            except psutil.Error:
                break
            if not memory:  # it has ended, and waits to be asked for its status
                break
            writer.writerow([f'{time.monotonic() - start:.1f}', f'{memory:.1f}', files, count])
            file.flush()
            try:
                running.wait(every)
            except subprocess.TimeoutExpired:
                continue
            except KeyboardInterrupt:  # the command has got it too
                running.wait()
        running.wait()
    return running.returncode


def read_table(table: Path) -> dict[str, list[float]]:
    """Read what `watch` wrote.

    Args:
        table: The CSV file.

    Returns:
        Columns by name.
    """
    with table.open(newline='') as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in COLUMNS}


def growth(values: list[float]) -> tuple[float, float]:
    """Compare the second fifth of a course, when all is loaded, with its last fifth.

    Args:
        values: The course, at least five values.

    Returns:
        The median of each.
    """
    fifth = len(values) // 5
    return median(values[fifth : 2 * fifth]), median(values[-fifth:])


def plot(columns: dict[str, list[float]], title: str, image: Path) -> None:
    """Draw memory and open files over time.

    Args:
        columns: What `read_table` returns.
        title: What ran.
        image: PNG file to write.
    """
    matplotlib.use('Agg')
    from matplotlib import pyplot

    minutes = [seconds / 60 for seconds in columns['seconds']]
    figure, axes = pyplot.subplots(2, sharex=True, figsize=(8, 4.5), layout='constrained')
    for axis, name, label in zip(axes, ('memory_mib', 'open_files'), ('memory, MiB', 'open files'), strict=True):
        axis.plot(minutes, columns[name], linewidth=1)
        axis.set_ylim(0, 1.15 * max(columns[name]))
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_title(title)
    axes[1].set_xlabel('minutes')
    figure.savefig(image, dpi=100)
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; default: those of the process.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('-o', '--output', type=Path, required=True, help='name of the table and the plot, less suffix')
    parser.add_argument('--every', type=float, default=10, metavar='SECONDS', help='time between two looks')
    parser.add_argument('--title', help='over the plot; default: the command')
    parser.add_argument('--most-growth', type=float, default=5, metavar='PERCENT', help='that is still called flat')
    parser.add_argument('command', nargs='+', help='after --: what to run')
    arguments = parser.parse_args(argv)
    if arguments.every <= 0:
        parser.error(f'--every must be above 0, got {arguments.every}')
    table, image = (arguments.output.with_name(arguments.output.name + suffix) for suffix in ('.csv', '.png'))
    if table.exists():
        parser.error(f'{table} exists already; move it or choose another -o')
    table.parent.mkdir(parents=True, exist_ok=True)
    status = watch(arguments.command, arguments.every, table)
    columns = read_table(table)
    if len(columns['seconds']) < 10:
        print(f'too short to judge: {len(columns["seconds"])} looks', file=sys.stderr)
        return status or 1
    plot(columns, arguments.title or ' '.join(arguments.command), image)
    flat = True
    for name, unit in (('memory_mib', ' MiB'), ('open_files', '')):
        early, late = growth(columns[name])
        percent = 100 * (late - early) / early
        flat &= percent <= arguments.most_growth
        print(f'{name}: {early:.0f}{unit} in the second fifth, {late:.0f}{unit} in the last ({percent:+.1f} %)')
    print(f'{columns["seconds"][-1] / 60:.0f} minutes; plot: {image}')
    return status or int(not flat)


if __name__ == '__main__':
    sys.exit(main())
