"""A site whose rules are rows of a model of its own: it has no JobRule."""
