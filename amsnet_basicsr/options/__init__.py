"""Options files: found (`shipped`), read safely (`reader`), changed (`force_yml`), completed (`complete`), checked.

`blocks/` has a pydantic model for each block of a file: at once its rules, its documentation and the type that the code
uses. `checks/` finds what else would stop a run.
"""
