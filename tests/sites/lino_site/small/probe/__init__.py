"""A plugin with tasks that behave and tasks that do not."""
