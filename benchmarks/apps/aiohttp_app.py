"""The application for aiohttp's server."""

from aiohttp import web
from work import TEXT, burn, message


async def plaintext(request: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def json(request: web.Request) -> web.Response:
    return web.Response(text=message(), content_type="application/json")


async def slow(request: web.Request) -> web.Response:
    return web.Response(text=burn())


app = web.Application()
app.add_routes([web.get("/", plaintext), web.get("/json", json), web.get("/slow", slow)])
