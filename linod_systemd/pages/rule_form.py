"""The forms of a rule: its own, and the fields beside an act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.helpers import ActionForm

from linod_systemd.models import JobRule
from linod_systemd.procedures import Procedures
from linod_systemd.recurrence.recurrence_set import WEEKDAYS

if TYPE_CHECKING:
    JobRuleModelForm = forms.ModelForm[JobRule]
else:  # Django's own class takes no parameter
    JobRuleModelForm = forms.ModelForm

# The fields that most people need come first; the others are folded.
FIRST = ("name", "procedure", ("every_unit", "every"), ("start_date", "start_time"), WEEKDAYS)
FAILURE = (("cancel_on_failure", "retries"), "cancel_on_manual_failure", "missed_after")
WHEN = ("positions", ("end_date", "end_time"), "max_events", "timezone", "catch_up", "jitter")
HOW = ("run_after", "timeout", "log_level", "seqno", "cancelled", "cancelled_note")
FIELDSETS: Any = (
    (None, {"fields": FIRST}),
    ("If it fails", {"fields": FAILURE}),
    ("More about when", {"fields": WHEN, "classes": ("collapse",)}),
    ("More about how", {"fields": HOW, "classes": ("collapse",)}),
)


class JobRuleForm(JobRuleModelForm):
    """The procedure is chosen from those in the code, and what goes first from the other rules."""

    procedure = forms.ChoiceField()
    run_after = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Rules that go first when they are due together.",
    )

    class Meta:
        model = JobRule
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._choose("procedure", Procedures.names(), [self.instance.procedure])
        others = JobRule.objects.exclude(pk=self.instance.pk).values_list("name", flat=True)
        self._choose("run_after", list(others), self.instance.run_after)

    def _choose(self, name: str, known: list[str], chosen: list[str]) -> None:
        """Offer what is known, and what was chosen before and is gone."""
        field = self.fields.get(name)  # there is none for a person who may not choose it
        if isinstance(field, forms.ChoiceField):
            offered = [*known, *(one for one in chosen if one and one not in known)]
            field.choices = [(one, one) for one in offered]


class RuleActionForm(ActionForm):
    """The fields beside the choice of an action."""

    until = forms.DateTimeField(
        required=False, label="until", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    note = forms.CharField(required=False, label="note", max_length=200)


class BackfillForm(forms.Form):
    """The past slots for which a rule is to run."""

    begin = forms.DateTimeField()
    end = forms.DateTimeField()
    forced = forms.BooleanField(required=False)
