"""Write options/schema/*.json and the tables of docs/reference/options.md from amsnet_basicsr/options/blocks."""

import argparse
import json
import sys
from pathlib import Path

from amsnet_basicsr import losses, metrics
from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.blocks.json_schema import comparison_schema, options_schema, tables

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs' / 'reference' / 'options.md'
BEGIN, END = '<!-- tables: scripts/write_options_schema.py -->\n', '<!-- end of tables -->\n'


def render() -> dict[Path, str]:
    """What the files should hold, by path."""
    ours = [
        {name: getattr(room, name) for name in room.__all__ if name[0].isupper() or room is metrics}
        for room in (losses, metrics)
    ]
    folder = ROOT / 'options' / 'schema'
    schemas = {'options.json': options_schema(ARCHS, *ours), 'comparison.json': comparison_schema()}
    files = {folder / name: json.dumps(schema, indent=1, ensure_ascii=False) + '\n' for name, schema in schemas.items()}
    before, _, rest = DOCS.read_text(encoding='utf-8').partition(BEGIN)
    return {**files, DOCS: f'{before}{BEGIN}\n{tables()}\n\n{END}{rest.partition(END)[2]}'}


def main() -> int:
    """Write the files that aren't current."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path, text in render().items():
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding='utf-8')
            print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
