"""Django's admin finds the pages of rules and jobs here."""

from __future__ import annotations

from linod_systemd.pages.job_admin import JobAdmin
from linod_systemd.pages.rule_admin import JobRuleAdmin

__all__ = ["JobAdmin", "JobRuleAdmin"]
