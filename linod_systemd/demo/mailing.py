"""Pending messages → SMTP. What cannot be sent stays pending, and goes out later.

A message is marked before it is handed over, so that it is never sent twice: should the process die before
it knows what the server says, or the connection break while the server has the text, its end is unknown,
and it is listed for a person to decide. One that the server refuses waits a while, and holds up no other.
"""

from __future__ import annotations

import logging
import smtplib
import traceback
from collections.abc import Callable, Iterable
from itertools import groupby

from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from linod_systemd.demo.models import Message, MessageQuerySet, User

TOO_LARGE, CLOSING = 552, 421  # replies of RFC 5321
MOST_HANG_UPS = 3  # mails in a row on which the server hangs up, before it is taken for away


def send_each(messages: MessageQuerySet, logger: logging.Logger) -> None:
    """One mail for each message.

    :raises Warning: where the server cannot be used.
    """
    _send_all(((message.user, [message]) for message in messages), logger)


def send_digests(messages: MessageQuerySet, logger: logging.Logger) -> None:
    """One mail for each user.

    :raises Warning: where the server cannot be used.
    """
    by_user = sorted(messages, key=lambda message: message.user_id)
    groups = groupby(by_user, key=lambda message: message.user)
    _send_all(((user, list(group)) for user, group in groups), logger)


def _send_all(mails: Iterable[tuple[User, list[Message]]], logger: logging.Logger) -> None:
    waiting = list(mails)
    if not waiting:
        logger.debug("nothing to send")
        return
    sent = refused = unknown = hang_ups = 0
    trouble = ""
    connection = _mailer()
    try:
        for user, messages in waiting:
            connection.open()  # before anything is marked; does nothing while it is open
            marked = [message for message in messages if message.hand_over()]
            if not marked:
                continue  # another run has sent them
            refusal = _send(connection, user, marked)
            if refusal is None:
                sent, hang_ups = sent + 1, 0
                continue
            if _is_unknown(refusal):
                unknown += 1
                logger.warning("the mail to %s has an unknown end: %s", user.email, refusal)
            else:
                refused += 1
                logger.warning("the mail to %s was refused and stays pending: %s", user.email, refusal)
            _close(connection, logger)  # servers count the errors of a connection, and then hang up
            hang_ups = hang_ups + 1 if _is_hang_up(refusal) else 0
            if hang_ups == MOST_HANG_UPS:
                raise refusal
    except OSError as error:  # smtplib's errors are OSErrors, too
        trouble = f"the mail server cannot be used ({error})"
    finally:
        _close(connection, logger)
    logger.info("sent %d mails, %d were refused, the end of %d is unknown", sent, refused, unknown)
    if trouble:
        # A Warning is no failure (docs/django.md): the rule goes on, and its job says why so little was sent.
        raise Warning(f"{trouble}: {len(waiting) - sent - unknown} mails stay pending")


def _send(connection: BaseEmailBackend, user: User, messages: list[Message]) -> Exception | None:
    """Send these in one mail: None, or why the server did not take it.

    :raises OSError: where the server takes nothing at all.
    """
    try:
        connection.send_messages([_compose(user, messages)])
    except (smtplib.SMTPException, ValueError) as error:
        if _is_unknown(error):
            return error
        if isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code != TOO_LARGE:
            _for_each(Message.take_back, messages)
            raise  # it would refuse all others, too
        _for_each(Message.postpone, messages)
        return error
    except BaseException as error:
        if not _is_unknown(error):
            _for_each(Message.take_back, messages)
        raise
    Message.objects.filter(pk__in=[message.pk for message in messages]).update(sent=timezone.now())
    return None


def _is_unknown(error: BaseException) -> bool:
    """Whether the server may have the text, and has given no answer to it."""
    if isinstance(error, smtplib.SMTPResponseException):
        return False
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_code is smtplib.SMTP.data.__code__ for frame in frames)


def _mailer() -> BaseEmailBackend:
    """The site's mailer: Django 6.1 names it so, and warns of the name before."""
    if hasattr(mail, "mailers"):
        mailer: BaseEmailBackend = mail.mailers.default
        return mailer
    return mail.get_connection()


def _compose(user: User, messages: list[Message]) -> EmailMessage:
    subject = messages[0].subject if len(messages) == 1 else f"{len(messages)} messages"
    parts = [f"{message.subject}\n\n{message.body}".strip() for message in messages]
    body = messages[0].body if len(messages) == 1 else "\n\n----\n\n".join(parts)
    return EmailMessage(" ".join(subject.split()), body, to=[user.email])


def _for_each(action: Callable[[Message], None], messages: list[Message]) -> None:
    for message in messages:
        action(message)


def _is_hang_up(error: Exception) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code == CLOSING for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code == CLOSING
    return isinstance(error, smtplib.SMTPServerDisconnected)


def _close(connection: BaseEmailBackend, logger: logging.Logger) -> None:
    try:
        connection.close()
    except OSError as error:
        logger.warning("the connection to the mail server did not close well: %s", error)
