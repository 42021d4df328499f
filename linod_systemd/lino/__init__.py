"""The plugin of a Lino site: its tasks are run by systemd. One line in the settings installs it.

Its name as a plugin is ``linod_systemd``: Lino takes the last part of a name for its label, and ``lino`` is
taken.
"""

from __future__ import annotations

from typing import Any

from lino.api import _, ad


class Plugin(ad.Plugin):
    """The plugin that a Lino site names ``linod_systemd``."""

    verbose_name = _("Background tasks")
    needs_plugins = ["lino.modlib.linod"]

    def install_django_settings(self, site: Any) -> None:
        """Come before Lino's own linod, whose command ``manage.py linod`` is replaced."""
        super().install_django_settings(site)
        others = [name for name in site.django_settings["INSTALLED_APPS"] if name != self.app_name]
        site.update_settings(INSTALLED_APPS=(self.app_name, *others))

    def before_actors_discover(self) -> None:
        from linod_systemd import models
        from linod_systemd.lino import actors

        for actor in (actors.JobRules, actors.Jobs, actors.JobsByRule, actors.JobsByTask):
            setattr(models, actor.__name__, actor)  # where Lino looks for a plugin's pages

    def on_ui_init(self, kernel: Any) -> None:
        """Show its jobs below each task, on the page that its plugin has for it."""
        from linod_systemd.lino import mirror

        super().on_ui_init(kernel)
        for model in mirror.task_models():
            model.get_default_table().add_detail_tab("linod_systemd.JobsByTask")

    def post_site_startup(self, site: Any) -> None:
        from linod_systemd.lino import mirror
        from linod_systemd.lino.store import LinoStore
        from linod_systemd.store import rule_store

        super().post_site_startup(site)
        rule_store.use(LinoStore())
        mirror.check_names()
        mirror.watch()

    def setup_explorer_menu(self, site: Any, user_type: Any, m: Any, ar: Any = None) -> None:
        system = site.plugins.system
        menu = m.add_menu(system.app_label, system.verbose_name)
        menu.add_action("linod_systemd.JobRules")
        menu.add_action("linod_systemd.Jobs")
