"""What ``manage.py up`` and ``demo`` run: the services, their supervisor, their logs."""
