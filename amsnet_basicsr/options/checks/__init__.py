"""Looking through all options before any work (`checks`), one file for each kind of check."""
