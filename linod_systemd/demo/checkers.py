"""The data checkers: functions that look at a row and yield what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone

from linod_systemd.demo.models import Event, MailMode, Message, User

Checker = Callable[[Any], Iterable[str]]
_checkers: list[tuple[type[Model], Checker]] = []


def checker(model: type[Model]) -> Callable[[Checker], Checker]:
    """Register a function that takes a row of the model and yields messages about it."""

    def register(function: Checker) -> Checker:
        _checkers.append((model, function))
        return function

    return register


def checkers_of(model: type[Model]) -> Iterator[tuple[str, Checker]]:
    """Name and function of each checker of a model: ``full_clean`` for all, then the registered ones."""
    yield "full_clean", full_clean
    for registered, function in _checkers:
        if issubclass(model, registered):
            yield function.__name__, function


def checked_models() -> list[type[Model]]:
    """Every model that has a table of its own."""
    return [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]


def full_clean(row: Model) -> Iterator[str]:
    """Yield the errors of Django's own validation."""
    try:
        row.full_clean()
    except ValidationError as error:
        for field, messages in error.message_dict.items():
            for message in messages:
                yield f"{field}: {message}"


@checker(User)
def mail_needs_an_address(user: User) -> Iterator[str]:
    if user.mail_mode != MailMode.NEVER and not user.email:
        yield f"{user} wants mail ({user.mail_mode}) and has no address"


@checker(Message)
def mail_has_a_known_end(message: Message) -> Iterator[str]:
    """Of a run that died: only a person can tell whether to send it again."""
    if Message.objects.filter(pk=message.pk).unknown(timezone.now()).exists():
        yield (
            f"{message} was handed over to the mail server at {message.handed_over:%Y-%m-%d %H:%M}, and"
            " nobody knows whether it was taken: in the admin, send it again or take it for sent"
        )


@checker(Event)
def event_has_attendees(event: Event) -> Iterator[str]:
    if not event.attendees.exists():
        yield f"nobody attends {event}"
