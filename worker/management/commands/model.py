"""List, install and promote encoders: `model list`, `model install HUB_ID|FOLDER`, `model promote VERSION`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from apps.core.management.prepared import PreparedCommand
from apps.core.models import Job
from apps.core.plain import escaped
from apps.embeddings.job_kinds import MODEL_INSTALL
from apps.embeddings.models import ModelVersion

BAR = 30


class Command(PreparedCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="list all versions and mark the active one")
        install = actions.add_parser("install", help="add a CLIP or SigLIP model, index the library with it, switch")
        install.add_argument("source", help="a hub id such as google/siglip2-base-patch16-224, or a local folder")
        promote = actions.add_parser("promote", help="make an installed version active (also to roll back)")
        promote.add_argument("version", help="id or its beginning, as `model list` prints it")

    def handle(self, *args: Any, **options: Any) -> None:
        {"list": self._list, "install": self._install, "promote": self._promote}[options["action"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        for version in ModelVersion.objects.order_by("role", "created_at"):
            mark = "*" if version.state == ModelVersion.State.SERVING else " "
            self.stdout.write(
                f"{mark} {str(version.id)[:8]}  {version.role:9} {version.get_state_display():20} "
                f"{escaped(version.name)} "
                f"({version.dim}-d, {version.image_side} px) {escaped(version.failure)}".rstrip()
            )

    def _install(self, options: dict[str, Any]) -> None:
        source = options["source"]
        if Path(source).expanduser().is_dir():
            source = str(Path(source).expanduser().resolve())
        version = (
            ModelVersion.objects.filter(role="semantic", name=source)
            .exclude(state__in=[ModelVersion.State.READY, ModelVersion.State.SERVING])
            .first()
        )
        with transaction.atomic():
            if version is None:
                version = ModelVersion.objects.create(role="semantic", name=source)
            else:
                version.state, version.failure = ModelVersion.State.PENDING, ""
                version.save(update_fields=["state", "failure", "updated_at"])
        self._work_on(version)
        self.stdout.write(
            self.style.SUCCESS(f"\n{escaped(source)} is active now. The previous version is kept; see `model list`.")
        )

    def _work_on(self, version: ModelVersion) -> None:
        """Index and switch in this process. If it dies, the sweeper hands the job to a worker."""
        job = Job.objects.create(kind=MODEL_INSTALL.name, subject_id=version.id, title=version.name)
        self._follow(job)
        job.refresh_from_db()
        if job.state == Job.State.FAILED:
            raise CommandError(escaped(job.error))

    def _follow(self, job: Job) -> None:
        from worker.tasks.models import model_install
        from worker.tasks.running import shutting_down

        ended = threading.Event()
        bar = threading.Thread(target=self._draw, args=(job.id, ended), daemon=True)
        before = signal.signal(signal.SIGINT, lambda *_: shutting_down.set())
        bar.start()
        try:
            while Job.objects.filter(id=job.id, state=Job.State.QUEUED).exists() and not shutting_down.is_set():
                model_install(str(job.id))
        finally:
            signal.signal(signal.SIGINT, before)
            ended.set()
            bar.join(timeout=2)
        if shutting_down.is_set():
            raise CommandError("Stopped. Run the same command again to continue; running workers will also finish it.")

    def _draw(self, job_id: Any, ended: threading.Event) -> None:
        from django.db import connection

        while not ended.wait(0.5):
            job = Job.objects.filter(id=job_id).first()
            if job is not None:
                full = int(BAR * job.percent / 100)
                left = f", {job.seconds_left:.0f} s left" if job.seconds_left else ""
                bar = "#" * full + "." * (BAR - full)
                self.stdout.write(f"\r[{bar}] {job.percent:5.1f} % {job.stage}{left}      ", ending="")
                self.stdout.flush()
        connection.close()

    def _promote(self, options: dict[str, Any]) -> None:
        """Videos added while another version was active are indexed first: search must not lose them."""
        matches = [v for v in ModelVersion.objects.all() if str(v.id).startswith(options["version"])]
        if len(matches) != 1:
            raise CommandError(f"{len(matches)} versions start with {options['version']}; see `model list`.")
        version = matches[0]
        if version.state == ModelVersion.State.SERVING:
            self.stdout.write(f"{version} is active already.")
            return
        if not version.weights_sha256:
            raise CommandError(f"{version} was never installed completely. Run `model install {version.name}` again.")
        self._work_on(version)
        self.stdout.write(self.style.SUCCESS(f"\n{version} is active now."))
