"""A Socket.IO server: events, acknowledgements, rooms, of one worker (its sessions are its own)."""

import asyncio

import socketio

server = socketio.AsyncServer(async_mode="asgi")


async def page(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"beside it"})


@server.event
async def connect(sid, environ, auth):
    if auth == "refuse":
        raise socketio.exceptions.ConnectionRefusedError("not you")
    await server.save_session(sid, {"name": auth})
    await server.emit("welcome", {"name": auth}, to=sid)


@server.event
async def echo(sid, data):
    await asyncio.sleep(0)
    return data


@server.event
async def join(sid, room):
    await server.enter_room(sid, room)
    return room


@server.event
async def say(sid, room, text):
    name = (await server.get_session(sid))["name"]
    await server.emit("said", [name, text], room=room)


@server.event
async def leave(sid):
    await server.disconnect(sid)


@server.event
async def disconnect(sid, reason):
    print(f"socketio: left {reason}", flush=True)


app = socketio.ASGIApp(server, page)
