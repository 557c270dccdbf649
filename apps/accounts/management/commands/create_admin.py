"""manage.py create_admin: the first administrator, with a password that is printed once."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from apps.core.management.prepared import PreparedCommand
from vsearch import env

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that is misread


class Command(PreparedCommand):
    help = (
        "Create an administrator if there is none, and show the password once. "
        "VSEARCH_ADMIN_PASSWORD (or VSEARCH_ADMIN_PASSWORD_FILE) sets the password instead. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"].strip()
        if not username:
            raise CommandError("The username is empty.")
        people = get_user_model()
        with transaction.atomic():
            admin = people.objects.filter(is_superuser=True, is_active=True).order_by("id").first()
            if admin is not None:
                self.stdout.write(
                    f"There is an administrator already: {admin.get_username()}. "
                    f"Forgot the password? manage.py changepassword {admin.get_username()}"
                )
                return
            if people.objects.filter(username=username).exists():
                raise CommandError(
                    f"{username} exists but is not an administrator. Choose another name with --username."
                )
            given = env.text("VSEARCH_ADMIN_PASSWORD", "")
            password = given or "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))
            people.objects.create_superuser(username=username, password=password)
        if given:
            self.stdout.write(f"Administrator {username} was created with the password from the environment.")
        else:
            self.stdout.write(f"Administrator: {username}   password: {password}   (shown only now)")
