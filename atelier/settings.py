"""All settings, read from ATELIER_*, DATABASE_URL and REDIS_URL; the defaults run on a laptop."""

import os
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from atelier import environment
from atelier.files import data_folder

data_folder.keep_private()
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = environment.data_dir(BASE_DIR)

SECRET_KEY = environment.secret_key(DATA_DIR)
DEBUG = environment.flag("ATELIER_DEBUG")
HTTPS = environment.flag("ATELIER_HTTPS")
HOST = os.environ.get("ATELIER_HOST", "127.0.0.1")
PORT = int(os.environ.get("ATELIER_PORT", "8321"))
ALLOWED_HOSTS = environment.words("ATELIER_ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]")
# How long a client may take for the head of a request, and between two pieces of its body; and how many connections an
# address may have. A trusted proxy brings those of many people, so its are not counted.
HEADER_SECONDS = float(os.environ.get("ATELIER_HEADER_SECONDS", "10"))
BODY_SECONDS = float(os.environ.get("ATELIER_BODY_SECONDS", "30"))
CONNECTIONS_PER_ADDRESS = int(os.environ.get("ATELIER_CONNECTIONS_PER_ADDRESS", "200"))
CSRF_TRUSTED_ORIGINS = environment.words("ATELIER_TRUSTED_ORIGINS", "")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "template_partials",
    "ninja",
    "atelier",
    "atelier.accounts",
    "atelier.audit",
    "atelier.jobs",
    "atelier.deletions",
    "atelier.webhooks",
    "curation",
    "training",
    "inference",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "atelier.web.middleware.kept_by_nobody",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "atelier.web.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "atelier.web.middleware.methods_in_json",
    "atelier.audit.middleware.downloads_noted",
    "atelier.web.middleware.unavailable_when_database_or_disk_fails",
    "atelier.web.middleware.storable_input",
]

ROOT_URLCONF = "atelier.urls"
ASGI_APPLICATION = "atelier.asgi.application"
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
                "atelier.web.context.shell",
            ],
        },
    }
]

# --- database ------------------------------------------------------------------------------------

DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'db.sqlite3'}"
DATABASES = {"default": dict(dj_database_url.parse(DATABASE_URL))}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL with IMMEDIATE: without it half of concurrent writes fail at once with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;"
            "PRAGMA journal_size_limit=67108864;"
        ),
    }
else:
    # Workers hold no connection between two jobs; sessions are bounded. Compiling takes longer than any statement here.
    DATABASES["default"].update(CONN_MAX_AGE=0, CONN_HEALTH_CHECKS=True)
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
        "-c jit=off -c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000"
    )
    DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 5  # None would forbid it to atelier/database/prepared.py too
    if environment.has_pool():
        # Under ASGI each request has a thread of its own: without a pool each would open a connection of its own too,
        # which costs the database more than the request. Whoever waits too long for one gets a 503. A lost connection is
        # found with a pause that grows, so none is kept idle for long: few are lost when the database restarts.
        DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 6, "max_idle": 20, "timeout": 20}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- broker --------------------------------------------------------------------------------------

REDIS_URL = os.environ.get("REDIS_URL", "")
REDIS_SOCKET = environment.redis_socket(DATA_DIR)
CELERY_BROKER_URL = REDIS_URL or f"redis+socket://{REDIS_SOCKET}"
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
# State lives in the job's row; with no result backend a publish fails in under a second when Redis is down.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.2}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "health_check_interval": 25,
    "global_keyprefix": os.environ.get("ATELIER_REDIS_PREFIX", "atelier:"),
}
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS["socket_keepalive"] = True  # meaningless on a unix socket

# --- jobs ----------------------------------------------------------------------------------------

JOB_LEASE_SECONDS = float(os.environ.get("ATELIER_JOB_LEASE", "30"))
JOB_REAP_SECONDS = float(os.environ.get("ATELIER_JOB_REAP", "5"))
# A worker hangs that took nothing for so long, although work waited and a slot was free. It is restarted.
WORKER_PATIENCE_SECONDS = float(os.environ.get("ATELIER_WORKER_PATIENCE", "60"))
# Jobs of one team that run at once in a queue, at most; 0 is no limit. Slots are shared between teams in any case.
TEAM_JOBS = int(os.environ.get("ATELIER_TEAM_JOBS", "0"))

# --- accounts, sessions, pages -------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
REGISTRATION_OPEN = environment.flag("ATELIER_REGISTRATION")
# Addresses or networks of proxies whose X-Forwarded-For says where a request comes from; anybody else's is ignored.
TRUSTED_PROXIES = environment.words("ATELIER_TRUSTED_PROXIES", "")
AUDIT_DAYS = environment.whole("ATELIER_AUDIT_DAYS", 365)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# The cookies of two installations on one machine's ports would overwrite each other.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"atelier_session_{PORT}", f"atelier_csrf_{PORT}"
BROWSER_COOKIE_NAME = f"atelier_browser_{PORT}"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
UPLOAD_MAX_BYTES = int(os.environ.get("ATELIER_UPLOAD_MAX_MB", "2048")) * 2**20
# What imports may read besides uploads: folders of this machine, buckets with the process's own keys, inner hosts.
IMPORT_FOLDERS = environment.words("ATELIER_IMPORT_FOLDERS", "")
IMPORT_BUCKETS = environment.words("ATELIER_IMPORT_BUCKETS", "")
# Whose datasets of the hub may be fetched with the installation's own HF_TOKEN: owner, owner/name, or * for all.
IMPORT_HUB_TOKEN_FOR = environment.words("ATELIER_IMPORT_HUB_TOKEN_FOR", "")
IMPORT_PRIVATE_HOSTS = environment.private_hosts("ATELIER_IMPORT_PRIVATE_HOSTS")
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
FILE_UPLOAD_HANDLERS = ["atelier.files.uploads.CappedUploadHandler"]
# Each a host with its port. What endpoints may be at although it is private: an Ollama of one's own, say.
PRIVATE_HOSTS = environment.private_hosts("ATELIER_PRIVATE_HOSTS")
# Apart from those: whoever may add a webhook chooses what is posted there, and how often.
WEBHOOK_PRIVATE_HOSTS = environment.private_hosts("ATELIER_WEBHOOK_PRIVATE_HOSTS")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = os.environ.get("ATELIER_TIME_ZONE", "UTC")
USE_I18N = False
USE_TZ = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- files ---------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the source tree with ETags: no build step, and a fresh clone needs no collectstatic.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = DATA_DIR / "files"
MODELS_DIR = DATA_DIR / "models"
RUNS_DIR = DATA_DIR / "runs"
LOG_DIR = DATA_DIR / "log"
environment.refuse_examples(
    {
        "ATELIER_SECRET_KEY": SECRET_KEY,
        "The password in DATABASE_URL": DATABASE_URL,
        "The password in REDIS_URL": REDIS_URL,
    }
)
STORAGES = {
    "default": {"BACKEND": "atelier.files.storage.WholeFiles"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
# With less than this left where the data is, every page says that the disk is nearly full.
DISK_LOW_BYTES = int(os.environ.get("ATELIER_DISK_LOW_MB", "512")) * 2**20

# What one team may use up of what all share; 0 is no limit.
TEAM_DISK_BYTES = int(os.environ.get("ATELIER_TEAM_DISK_MB", "102400")) * 2**20
TEAM_UPLOAD_BYTES_A_DAY = int(os.environ.get("ATELIER_TEAM_UPLOAD_MB_A_DAY", "20480")) * 2**20

NINJA_PAGINATION_PER_PAGE = 100

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "atelier.logs.OneLineFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.environ.get("ATELIER_LOG_LEVEL", "INFO")},
    "loggers": {"django.request": {"level": "ERROR"}},
}
