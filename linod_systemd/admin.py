"""Register the admin pages of rules and jobs, where Django looks for them."""

from __future__ import annotations

from linod_systemd.pages.job_admin import JobAdmin
from linod_systemd.pages.rule_admin import JobRuleAdmin

__all__ = ["JobAdmin", "JobRuleAdmin"]
