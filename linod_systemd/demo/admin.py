"""The rows of the demo site in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone

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


class EndFilter(admin.SimpleListFilter):
    """By what has become of a message as a mail."""

    title = "mail"
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unknown", "handed over, end unknown"), ("sent", "sent"), ("unsent", "not sent")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        if self.value() == "unknown":
            return queryset.filter(pk__in=Message.objects.unknown(timezone.now()))
        return queryset.filter(sent__isnull=self.value() == "unsent") if self.value() else queryset


@admin.register(Message)
class MessageAdmin(ModelAdmin):
    """Among the filters: those whose end is unknown, for a person to decide what becomes of them."""

    list_display = ("subject", "user", "created", "handed_over", "sent", "seen")
    list_filter = (EndFilter, "user")
    readonly_fields = ("handed_over",)
    actions = ("send_again", "take_for_sent")

    @admin.action(description="Send again", permissions=["change"])
    def send_again(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        count = Message.objects.filter(pk__in=rows.values("pk"), sent=None).update(handed_over=None)
        messages.success(request, f"To be mailed again: {count}.")

    @admin.action(description="Take for sent", permissions=["change"])
    def take_for_sent(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        known = Message.objects.filter(pk__in=rows.values("pk"), sent=None, handed_over__isnull=False)
        messages.success(request, f"Taken for sent: {known.update(sent=F('handed_over'))}.")


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
