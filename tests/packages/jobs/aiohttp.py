"""A server and a client that talk, with JSON, a form and a web socket."""

import asyncio

import aiohttp
import aiohttp.web


async def show(request: aiohttp.web.Request) -> aiohttp.web.Response:
    return aiohttp.web.json_response({"got": await request.json(), "q": request.query["q"]})


async def socket(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
    response = aiohttp.web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        await response.send_str(message.data.upper())
    return response


async def main() -> object:
    app = aiohttp.web.Application()
    app.router.add_post("/show", show)
    app.router.add_get("/socket", socket)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        found = []
        for i in range(20):
            async with session.post(f"{base}/show?q={i}", json=[i]) as response:
                found.append(await response.json())
        async with session.ws_connect(f"{base}/socket") as client:
            await client.send_str("hello")
            heard = await client.receive_str()
    await runner.cleanup()
    return found[-1], heard


def work() -> object:
    return asyncio.run(main())
