"""A Django site in a module: its admin, a form, streams, and the ORM on what APP_DATABASE names.

`asgi` and `wsgi` are the same site by either interface. `python -m django migrate` and so on take
DJANGO_SETTINGS_MODULE=django_app.
"""

import os
import sys

# Its own settings, as a site of one file has them.
SECRET_KEY = "not secret"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_site.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_site",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A fast one, so that the tests' log-ins don't take most of the time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["console"], "level": "ERROR"}},
}
_kind, _, _place = os.environ.get("APP_DATABASE", "sqlite::memory:").partition(":")
DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{_kind}",
        "NAME": _place,
        "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
    }
}
if _kind == "sqlite":
    DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"
else:
    DATABASES["default"] |= {"NAME": "postgres", "HOST": _place, "USER": "postgres"}
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 4}}


def __getattr__(name):
    """The application, made when asked for: the module is the settings too."""
    if name not in ("asgi", "wsgi", "checked", "validated"):
        raise AttributeError(name)
    os.environ["DJANGO_SETTINGS_MODULE"] = __name__
    if name in ("asgi", "checked"):
        from checking import checked
        from django.core.asgi import get_asgi_application

        made = get_asgi_application()
        made = checked(made) if name == "checked" else made
    else:
        from wsgiref.validate import validator

        from django.core.wsgi import get_wsgi_application

        made = get_wsgi_application()
        made = validator(made) if name == "validated" else made
    setattr(sys.modules[__name__], name, made)
    return made
