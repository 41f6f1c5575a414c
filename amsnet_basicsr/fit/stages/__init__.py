"""The stages of a fit: prepare, plan, teacher, pairs, student, pack."""
