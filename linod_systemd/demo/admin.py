"""The rows of the demo site in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from linod_systemd.demo.models import Attendance, Event, Message, Problem, Summary, User

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    BaseUserAdmin = DjangoUserAdmin[User]
else:  # Django's own classes take no parameter
    ModelAdmin, TabularInline, BaseUserAdmin = admin.ModelAdmin, admin.TabularInline, DjangoUserAdmin


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    list_display = ("username", "email", "mail_mode", "is_active")
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Mail", {"fields": ("mail_mode",)}))


@admin.register(Message)
class MessageAdmin(ModelAdmin):
    list_display = ("subject", "user", "created", "sent", "seen")
    list_filter = ("user",)


class AttendanceInline(TabularInline):
    model = Attendance
    extra = 0


@admin.register(Event)
class EventAdmin(ModelAdmin):
    list_display = ("title", "start", "duration")
    inlines = (AttendanceInline,)


@admin.register(Problem)
class ProblemAdmin(ModelAdmin):
    list_display = ("content_type", "object_id", "checker", "message", "found")
    list_filter = ("checker", "content_type")


@admin.register(Summary)
class SummaryAdmin(ModelAdmin):
    list_display = ("day", "rule_name", "runs", "failures", "seconds")
    list_filter = ("rule_name",)
