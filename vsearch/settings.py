"""Settings: one file, read from the environment through vsearch.env."""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF

from vsearch import env
from vsearch.postgres import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = embedded.default_data_dir()
MEDIA_DIR = DATA_DIR / "media"  # ours: originals of uploads, proxies, posters, storyboards
UPLOAD_DIR = DATA_DIR / "uploads"  # unfinished uploads and files of lookups
MODELS_DIR = DATA_DIR / "models"  # installed encoders and their ONNX text towers
TRAINING_DIR = DATA_DIR / "training"  # frozen datasets, checkpoints and curves of runs
BUNDLED_MODELS_DIR = BASE_DIR / "models"  # weights that come with the code

DEBUG = env.flag("VSEARCH_DEBUG", False)
HOST = env.text("VSEARCH_HOST", "127.0.0.1")
PORT = env.integer("VSEARCH_PORT", 8000, low=1, high=65535)


def _secret_key() -> str:
    """From the environment, else one made at first start and kept in the data directory."""
    given = env.text("VSEARCH_SECRET_KEY", "")
    if given:
        return given
    file = DATA_DIR / "secret_key"
    if not file.exists():
        from django.core.management.utils import get_random_secret_key

        DATA_DIR.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("x") as handle:
                file.chmod(0o600)
                handle.write(get_random_secret_key())
        except FileExistsError:
            pass  # another process of ours was faster
    return file.read_text().strip()


SECRET_KEY = _secret_key()
SERVED_OVER_TLS = env.flag("VSEARCH_TLS", False)
# localhost is always there: health checks on the machine itself use it.
ALLOWED_HOSTS = [*env.words("VSEARCH_ALLOWED_HOSTS", "127.0.0.1,[::1]"), "localhost"]
CSRF_TRUSTED_ORIGINS = env.words("VSEARCH_TRUSTED_ORIGINS")
# Proxies whose X-Forwarded-For is believed. Nobody else's is: anybody can send one.
TRUSTED_PROXIES = env.networks("VSEARCH_TRUSTED_PROXIES")

# How often a person, or an address of visitors, may do what costs (apps.core.limits): (count, seconds) or None.
LIMITS = {
    "search": env.rate("VSEARCH_LIMIT_SEARCH", "600/min"),
    "lookup": env.rate("VSEARCH_LIMIT_LOOKUP", "60/min"),
    "upload": env.rate("VSEARCH_LIMIT_UPLOAD", "120/min"),
    "feedback": env.rate("VSEARCH_LIMIT_FEEDBACK", "60/min"),
    "training": env.rate("VSEARCH_LIMIT_TRAINING", "120/min"),
    "work": env.rate("VSEARCH_LIMIT_WORK", "120/min"),
    "api": env.rate("VSEARCH_LIMIT_API", "1200/min"),
    "token": env.rate("VSEARCH_LIMIT_TOKEN", "30/h"),
    # Wrong passwords: of one name from one address; of one name from anywhere, which is high so that a stranger cannot
    # easily lock somebody out; and from one address, which is high because an office may share one.
    "login": env.rate("VSEARCH_LIMIT_LOGIN", "8/15min"),
    "login_name": env.rate("VSEARCH_LIMIT_LOGIN_NAME", "40/15min"),
    "login_address": env.rate("VSEARCH_LIMIT_LOGIN_ADDRESS", "80/15min"),
    "password": env.rate("VSEARCH_LIMIT_PASSWORD", "8/15min"),
}

# Anonymous visitors may search and look up only when this says so.
PUBLIC_SEARCH = env.flag("VSEARCH_PUBLIC_SEARCH", False)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "apps.core",
    "apps.accounts",
    "apps.videos",
    "apps.embeddings",
    "apps.search",
    "apps.duplicates",
    "apps.training",
    "apps.api",
    "worker",  # management commands that compute; imports no torch until one runs
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "apps.core.middleware.OutageMiddleware",
    "apps.core.middleware.LimitMiddleware",
    "apps.core.middleware.ReadableMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "vsearch.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.core.context.site",
            ],
        },
    },
]


def _database(url: str) -> dict[str, object]:
    """postgresql://user:password@host:port/name?option=value -> Django's dictionary."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise env.EnvironmentProblem("DATABASE_URL must begin with postgresql://; vsearch needs Postgres with pgvector")
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": {**options, "connect_timeout": 5},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


EMBEDDED_DATABASE = not env.text("DATABASE_URL", "")
DATABASE_URL = env.text("DATABASE_URL", "") or embedded.database_url(DATA_DIR)
DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Empty: queues live in the same Postgres (pgmq). Else amqp://... (RabbitMQ) or redis://...
BROKER_URL = env.text("BROKER_URL", "")
# Sends the messages that wake workers. Composition, like the checks below: core imports nothing of vsearch.
CELERY_APP = "vsearch.celery.app"
QUEUE_LENGTHS = "vsearch.celery.queue_lengths"

# What /readyz checks and /metrics counts: name -> function.
READINESS_CHECKS = {
    "database": "apps.core.health.database",
    "pgvector": "apps.core.health.pgvector",
    "migrations": "apps.core.health.migrations",
    "broker": "vsearch.readiness.broker",
    "model": "vsearch.readiness.model",
    "text_encoder": "vsearch.readiness.text_encoder",
}
METRICS = ["vsearch.metrics.jobs", "vsearch.metrics.videos", "vsearch.metrics.queues"]
METRICS_RENDERER = "vsearch.metrics.render"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# Model that answers text queries when the database is new: "bundled", a hub id or a folder.
SEMANTIC_MODEL = env.text("VSEARCH_SEMANTIC_MODEL", "bundled")

# Lease of a running job: a worker that stops renewing it loses the job to the sweeper.
JOB_LEASE_SECONDS = env.integer("VSEARCH_JOB_LEASE_SECONDS", 60, low=2)
JOB_MAX_ATTEMPTS = env.integer("VSEARCH_JOB_MAX_ATTEMPTS", 3, low=1)
# Files below these may be named by uploaded training manifests; videos of the library always.
TRAINING_FOLDERS = env.words("VSEARCH_TRAINING_FOLDERS")
# Footage that more than so many different videos have is an intro, an advert or the like, and no sign of copies.
SHARED_ASSET_VIDEOS = env.integer("VSEARCH_SHARED_ASSET_VIDEOS", 5, low=2)
# Videos below these are always kept: they are proposed first and never marked as spare.
PROTECTED_FOLDERS = env.words("VSEARCH_PROTECTED_FOLDERS")
LOOKUP_DAYS = env.integer("VSEARCH_LOOKUP_DAYS", 7, low=1)
# How much one video may be and hold; see worker.media.sandbox.limits.
VIDEO_LIMITS = {
    "hours": env.integer("VSEARCH_MAX_VIDEO_HOURS", 12, low=1, high=1000),
    "file_bytes": env.integer("VSEARCH_MAX_VIDEO_BYTES", 64 * 1024**3, low=1024),
    "pixels": env.integer("VSEARCH_MAX_PICTURE_PIXELS", 8192 * 4608, low=64 * 64, high=2**30),
    "tracks": env.integer("VSEARCH_MAX_TRACKS", 256, low=1, high=10_000),
    "subtitle_tracks": env.integer("VSEARCH_MAX_SUBTITLE_TRACKS", 16, low=0, high=500),
}
MAX_UPLOAD_BYTES = env.integer("VSEARCH_MAX_UPLOAD_BYTES", 50 * 1024**3, low=1024)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
] + [{"NAME": "apps.accounts.tokens.TokensEndWithPassword"}]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "search:home"
LOGOUT_REDIRECT_URL = "search:home"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(MEDIA_DIR)}},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SERVED_OVER_TLS
CSRF_COOKIE_SECURE = SERVED_OVER_TLS
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if SERVED_OVER_TLS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SERVED_OVER_TLS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024**2  # the web process takes less where no file belongs (vsearch.web.routes)
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"  # bodies on their way; never the system's temporary folder
with contextlib.suppress(OSError):  # Django's check says what is wrong with it
    FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)

# Web processes: each has an event loop, some 20 threads and the text encoder in memory.
WEB_PROCESSES = env.integer("VSEARCH_WEB_PROCESSES", min(3, max(1, env.cores() // 2)), low=1, high=32)
# Videos that play (or are paused) at once from one address, and for one login; a browser has at most some dozens.
STREAMS_PER_CLIENT = env.integer("VSEARCH_STREAMS_PER_CLIENT", 512, low=1)
# A proxy in front sends the files of media itself: "x-accel-redirect" (nginx) or "x-sendfile" (Apache, lighttpd).
SENDFILE = env.choice("VSEARCH_SENDFILE", ("", "x-accel-redirect", "x-sendfile"))
# folder=address, ...: where files below a folder are for the proxy. Other files are sent by the web process.
SENDFILE_FOLDERS = env.pairs("VSEARCH_SENDFILE_FOLDERS")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.api.permissions.MayLook"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.api.parsers.ObjectParser", "rest_framework.parsers.MultiPartParser"],
    "EXCEPTION_HANDLER": "apps.api.problems.problem_response",
    "DEFAULT_THROTTLE_CLASSES": ["apps.api.throttles.Limited"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "vsearch",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.api.schema.add_problems",
    ],
    "SERVE_PERMISSIONS": ["apps.api.permissions.MayLook"],
    "ENUM_NAME_OVERRIDES": {
        "VideoStateEnum": "apps.videos.models.Video.State",
        "VideoSourceEnum": "apps.videos.models.Video.Source",
        "JobStateEnum": "apps.core.models.Job.State",
        "GroupStateEnum": "apps.duplicates.models.DuplicateGroup.State",
        "GroupKindEnum": "apps.duplicates.models.DuplicateGroup.Kind",
        "ModelVersionStateEnum": "apps.embeddings.models.ModelVersion.State",
        "DatasetStateEnum": "apps.training.models.Dataset.State",
        "DatasetSourceEnum": "apps.training.models.Dataset.Source",
        "TrainingRunStateEnum": "apps.training.models.TrainingRun.State",
        "FeedbackKindEnum": "apps.search.models.Feedback.Kind",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "vsearch.log_lines.OneLine", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"pgmq": {"level": "WARNING"}},
    "root": {"handlers": ["console"], "level": env.text("VSEARCH_LOG_LEVEL", "INFO")},
}
