"""Exact time: how late jobs start, and what compiling rules costs: ``./install.sh bench time``."""

from __future__ import annotations

from tests.bench.parts import compiling, punctuality


def main() -> None:
    punctuality.main()
    compiling.main()


if __name__ == "__main__":
    main()
