"""Options: files are found (`shipped`), read safely (`reader`), changed (`force_yml`) and completed (`complete`)."""
