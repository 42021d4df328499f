"""A person who may do everything, at the pages of a site that is set up."""

from __future__ import annotations

import pytest
from django.test import Client

from linod_systemd.demo.models import User
from linod_systemd.tasks import Tasks


@pytest.fixture
def client() -> Client:
    Tasks().setup()
    made = Client()
    made.force_login(User.objects.create_superuser("root"))
    return made
