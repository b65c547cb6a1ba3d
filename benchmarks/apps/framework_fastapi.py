"""One JSON answer by FastAPI."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/json")
async def json() -> dict[str, str]:
    return {"message": "Hello, World!"}
