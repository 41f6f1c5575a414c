"""Which images of a folder a script works on."""

from pathlib import Path


def image_names(listed: Path | None, folder: Path) -> list[str]:
    """Read a list of file names, or list a folder.

    Args:
        listed: Text file with a name at the beginning of each line; None for all `*.png` of the folder.
        folder: The folder.

    Returns:
        The names, as listed or sorted.

    Raises:
        OSError: If the list cannot be read.
    """
    if listed is None:
        return sorted(path.name for path in folder.glob('*.png'))
    return [line.split()[0] for line in listed.read_text(encoding='utf-8').splitlines() if line.strip()]
