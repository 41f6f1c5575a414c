"""Options files, from the command line to a checked dictionary.

`settings` finds a file and the setting that is meant, `reader` reads it safely, `force_yml` changes it, `complete` adds
what BasicSR adds, and `checks/` finds what would stop a run.
`blocks/` has a pydantic model for each block of a file: at once its rules, its documentation and the type that the code
uses.
"""
