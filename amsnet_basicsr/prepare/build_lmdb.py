"""From sources to a finished BasicSR LMDB: in parallel, whole or not at all, gone on with after a kill."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.resumable_lmdb import Group, Listing, ResumableLmdb, finished_lines, listing_lines
from amsnet_basicsr.prepare.whole_output import check_space, discard, only_run, partial_path, publish, refuse_existing
from amsnet_basicsr.utils.parallel import available_cores, ordered_map
from amsnet_basicsr.utils.text import name_some


@dataclass(frozen=True)
class Source:
    """What becomes one group of images, in one transaction.

    Attributes:
        name: Name of the group, ASCII.
        title: What to call the source in a message, e.g. its path.
        fingerprint: Tells another source of that name apart; plain values.
        make: Returns the encoded images by key; raises ValueError if the source is damaged. Runs in a thread.
        listing: Returns keys and sizes of these images, in order.
    """

    name: str
    title: str
    fingerprint: Any
    make: Callable[[], Mapping[str, bytes]]
    listing: Callable[[], Listing]


@dataclass(frozen=True)
class Choices:
    """How to go about it.

    Attributes:
        workers: Threads; None for one per core.
        overwrite: Replace an existing target, once the new one is whole.
        restart: Throw away what an earlier run left.
        skip_damaged: Leave damaged sources out.
        ignore_space: Don't compare the estimate with the free disk.
        say: Gets the messages on the way.
    """

    workers: int | None = None
    overwrite: bool = False
    restart: bool = False
    skip_damaged: bool = False
    ignore_space: bool = False
    say: Callable[[str], None] = field(default=print)


@dataclass(frozen=True)
class BuildReport:
    """What was made.

    Attributes:
        groups: Number of groups in it.
        images: Number of images in it.
        stored: Their bytes.
        resumed: Groups that an earlier run had done.
        damaged: One line for each source that was left out.
    """

    groups: int
    images: int
    stored: int
    resumed: int = 0
    damaged: tuple[str, ...] = ()


def check_target(target: Path, overwrite: bool) -> None:
    """Stop before any work if the output cannot be made there.

    Args:
        target: The LMDB.
        overwrite: Whether an existing one may be replaced.

    Raises:
        PrepareError: If the name doesn't end in `.lmdb`, or something is there that must stay.
    """
    if target.suffix != '.lmdb':
        raise PrepareError(f'{target}: BasicSR wants the name of an LMDB to end in .lmdb')
    refuse_existing(target, overwrite)


def build_lmdb(
    target: Path,
    sources: Sequence[Source],
    settings: Mapping[str, Any],
    needed: int,
    choices: Choices,
    damaged: Sequence[str] = (),
) -> BuildReport:
    """Write an LMDB as `<target>.partial` and rename it when it is whole.

    If a run is stopped, however that happens, the next one with the same settings goes on.

    Args:
        target: The LMDB; its name ends in `.lmdb`.
        sources: What goes into it.
        settings: What the content depends on, plain values; another run must have the same to go on.
        needed: Estimated bytes.
        choices: How to go about it.
        damaged: Lines on sources already known to be damaged.

    Returns:
        What was made.

    Raises:
        PrepareError: If there is something to mend.
    """
    check_target(target, choices.overwrite)
    with only_run(partial_path(target)):
        report = fill_partial(target, sources, settings, needed, choices, damaged)
        publish(partial_path(target), target)
    return report


def fill_partial(
    target: Path,
    sources: Sequence[Source],
    settings: Mapping[str, Any],
    needed: int,
    choices: Choices,
    damaged: Sequence[str] = (),
) -> BuildReport:
    """Do all of `build_lmdb` but the renaming; the caller holds `only_run`.

    At most one source per worker and two more are in memory.

    Args:
        target: As there.
        sources: As there.
        settings: As there.
        needed: As there.
        choices: As there.
        damaged: As there.

    Returns:
        What was made.

    Raises:
        PrepareError: If there is something to mend. All sources that can be read are done before damaged ones are
            told.
    """
    partial = partial_path(target)
    if choices.restart:
        discard(partial)
    report = _finished_earlier(partial, sources, choices)
    if report is not None:
        return report
    if not choices.ignore_space:
        data = partial / 'data.mdb'
        check_space(needed - (data.stat().st_size if data.is_file() else 0), target.parent)
    with ResumableLmdb(partial, settings) as output:
        return _write(output, sources, choices, list(damaged))


def _finished_earlier(partial: Path, sources: Sequence[Source], choices: Choices) -> BuildReport | None:
    """Take over what needs nothing but its name, if it is what is asked for."""
    found = finished_lines(partial)
    if found is None:
        return None
    expected = [line for source in sources for line in listing_lines(source.listing())]
    if found != expected and not (choices.skip_damaged and set(found) <= set(expected)):
        raise PrepareError(f'{partial} holds something else than asked for; --restart begins anew')
    return BuildReport(len(sources), len(found), (partial / 'data.mdb').stat().st_size, len(sources))


def _write(output: ResumableLmdb, sources: Sequence[Source], choices: Choices, damaged: list[str]) -> BuildReport:
    groups = output.groups()
    _compare_with_earlier(groups, sources, output.folder)
    resumed, total = len(groups), len(sources) + len(damaged)
    if resumed:
        choices.say(f'Going on: {resumed} of {total} are there already')
    left = [source for source in sources if source.name not in groups]
    with tqdm(total=len(sources), initial=resumed, unit='image', disable=None) as bar:
        results = ordered_map(_make, left, choices.workers or available_cores())
        for source, result in zip(left, results, strict=True):
            if isinstance(result, ValueError):
                damaged.append(f'{source.title}: {result}')
            else:
                groups[source.name] = output.put_group(source.name, result, source.fingerprint)
            bar.update()
    if damaged and (not choices.skip_damaged or not groups):
        raise PrepareError(_describe_damaged(damaged, total, output.folder))
    output.finish(entry for source in sources if source.name in groups for entry in source.listing())
    images, stored = (sum(getattr(group, name) for group in groups.values()) for name in ('count', 'stored'))
    return BuildReport(len(groups), images, stored, resumed, tuple(damaged))


def _make(source: Source) -> Mapping[str, bytes] | ValueError:
    try:
        return source.make()
    except ValueError as error:
        return error


def _compare_with_earlier(groups: Mapping[str, Group], sources: Sequence[Source], folder: Path) -> None:
    fingerprints = {source.name: source.fingerprint for source in sources}
    for name, group in groups.items():
        if name not in fingerprints or group.source != fingerprints[name]:
            what = 'which the input lacks now' if name not in fingerprints else 'of which the input has another now'
            raise PrepareError(f'{folder} holds {name}, {what}: give the same input to go on, or --restart')


def _describe_damaged(damaged: Sequence[str], total: int, folder: Path) -> str:
    shown = name_some(damaged, 10, '; ')
    return (
        f'{len(damaged)} of {total} cannot be used: {shown}. The others are done and kept in {folder}: replace the '
        'damaged and run the same command again, or leave them out with --skip-damaged'
    )
