"""BasicSR's training of teacher and student: options files and a subprocess."""
