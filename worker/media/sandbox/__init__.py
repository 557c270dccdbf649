"""How a program is started on an untrusted file: what it may read, use and cost."""
