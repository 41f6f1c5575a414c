"""A page of before and after."""
