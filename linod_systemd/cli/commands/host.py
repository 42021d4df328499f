"""Commands for a host: ``install-site``, ``uninstall-site``, ``update-sites``, ``doctor``, ``completion``."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand, Needs


class OfHostCommand(CliCommand):
    needs = Needs.NOTHING
    of_host = True


class InstallSiteCommand(OfHostCommand):
    name = "install-site"
    summary = "as root: have systemd run the tasks of a site"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help="lower-case letters, digits and _")
        parser.add_argument("--settings", help="its DJANGO_SETTINGS_MODULE")
        parser.add_argument("--user", help="who runs its jobs")
        parser.add_argument("--directory", help="where its manage.py lies (default: here)")
        parser.add_argument(
            "--python", help="its python (default: that of env, venv or .venv in the directory)"
        )
        parser.add_argument("--environment-file", help="NAME=value lines for its processes")
        parser.add_argument("--migrate", action="store_true", help="make its tables, without asking")
        parser.add_argument(
            "--move-database",
            action="store_true",
            help="move an SQLite database that lies beside the code into the state folder, without asking",
        )

    def run(self, call: Call) -> int:
        from linod_systemd.cli import install_site

        return install_site.install(call.options)


class UninstallSiteCommand(OfHostCommand):
    name = "uninstall-site"
    summary = "as root: undo that; the site stays as it is"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import install_site

        return install_site.uninstall(call.options)


class UpdateSitesCommand(OfHostCommand):
    name = "update-sites"
    summary = "as root: bring the sites to root's linod-systemd"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="without asking")
        tables = "only bring the tables up to date, of the sites that have root's version"
        parser.add_argument("--tables", action="store_true", help=tables)

    def run(self, call: Call) -> int:
        from linod_systemd.cli import update_sites

        return update_sites.update_sites(call.options)


class DoctorCommand(OfHostCommand):
    name = "doctor"
    summary = "what is wrong with this host or site, each with the remedy"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", metavar="SITE", help="default: every configured one")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import doctor

        return doctor.doctor(call.options)


class CompletionCommand(OfHostCommand):
    name = "completion"
    summary = "print what makes a shell complete these commands"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shell", choices=("bash", "zsh"))

    def run(self, call: Call) -> int:
        import shtab  # which no other command needs

        print(shtab.complete(call.options.parser, call.options.shell))
        return 0


COMMANDS = (
    InstallSiteCommand(),
    UninstallSiteCommand(),
    UpdateSitesCommand(),
    DoctorCommand(),
    CompletionCommand(),
)
