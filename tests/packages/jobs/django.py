"""Settings, models over SQLite, templates, a request through the handler."""

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="test",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
    )
    django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpRequest, JsonResponse
from django.template import engines
from django.test import Client
from django.urls import path


def show(request: HttpRequest, number: int) -> JsonResponse:
    return JsonResponse({"number": number, "users": User.objects.count()})


urlpatterns = [path("show/<int:number>", show)]
_migrated = False


def work() -> object:
    global _migrated
    if not _migrated:
        call_command("migrate", verbosity=0)
        _migrated = True
    User.objects.all().delete()
    for i in range(5):
        User.objects.create(username=f"user{i}")
    page = engines["django"].from_string("{% for u in users %}{{ u.username }},{% endfor %}")
    text = page.render({"users": User.objects.filter(username__gt="user2").order_by("username")})
    answers = [Client().get(f"/show/{i}").json() for i in range(10)]
    return text, answers[-1], Client().get("/none").status_code
