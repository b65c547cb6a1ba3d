"""The site's pages: functions of both kinds, which Django calls under ASGI and under WSGI."""

import asyncio
import hashlib
import json

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, F, Sum
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from .models import Author, Book, Counter


class BookForm(forms.ModelForm):
    class Meta:
        model = Book
        fields = ("author", "title", "pages")


def index(request):
    return JsonResponse(
        {
            "path": request.get_full_path(),
            "secure": request.is_secure(),
            "host": request.get_host(),
            "client": request.META["REMOTE_ADDR"],
            "token": get_token(request),
        }
    )


async def in_the_loop(request):
    await asyncio.sleep(0)
    return JsonResponse({"running": asyncio.current_task() is not None})


PAGE = """{% if messages %}{% for each in messages %}<i>{{ each }}</i>{% endfor %}{% endif %}
<form method="post">{% csrf_token %}{{ form.as_p }}<button>Add</button></form>"""


def add(request):
    form = BookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect(f"/books/{form.save().author.name}")
    page = engines["django"].from_string(PAGE)
    return HttpResponse(page.render({"form": form}, request))


def books(request, name):
    author = Author.objects.prefetch_related("books").get(name=name)
    return JsonResponse([[book.title, book.pages] for book in author.books.all()], safe=False)


async def async_books(request, name):
    found = Book.objects.filter(author__name=name).select_related("author")
    return JsonResponse([[book.title, book.pages] async for book in found], safe=False)


def statistics(request):
    by_author = Author.objects.annotate(n=Count("books"), pages=Sum("books__pages"))
    return JsonResponse({each.name: [each.n, each.pages] for each in by_author.order_by("name")})


@csrf_exempt
def count(request, name):
    with transaction.atomic():
        Counter.objects.filter(name=name).update(value=F("value") + 1)
    return HttpResponse(str(Counter.objects.get(name=name).value))


@csrf_exempt
def rolled_back(request, name):
    try:
        with transaction.atomic():
            Counter.objects.filter(name=name).update(value=F("value") + 1_000_000)
            raise LookupError("on purpose")
    except LookupError:
        return HttpResponse("rolled back")


def lines(count):
    for number in range(count):
        yield f"{number}\n"


async def async_lines(count):
    for number in range(count):
        yield f"{number}\n"
        if number % 10 == 0:
            await asyncio.sleep(0)


def stream(request, count):
    return StreamingHttpResponse(lines(count), content_type="text/plain")


async def async_stream(request, count):
    return StreamingHttpResponse(async_lines(count), content_type="text/plain")


def source(request):
    return FileResponse(open(__file__, "rb"), as_attachment=True)


@csrf_exempt
def upload(request):
    found = request.FILES["file"]
    digest = hashlib.sha256()
    for part in found.chunks():
        digest.update(part)
    return JsonResponse({"name": found.name, "size": found.size, "hash": digest.hexdigest()})


@csrf_exempt
def echo(request):
    return JsonResponse({"method": request.method, "got": json.loads(request.body)})


def session(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))


def fails(request):
    raise LookupError("fails on purpose")


urlpatterns = [
    path("", index),
    path("loop", in_the_loop),
    path("admin/", admin.site.urls),
    path("add", add),
    path("books/<str:name>", books),
    path("async_books/<str:name>", async_books),
    path("statistics", statistics),
    path("count/<str:name>", count),
    path("rolled_back/<str:name>", rolled_back),
    path("stream/<int:count>", stream),
    path("async_stream/<int:count>", async_stream),
    path("source", source),
    path("upload", upload),
    path("echo", echo),
    path("session", session),
    path("fails", fails),
]
