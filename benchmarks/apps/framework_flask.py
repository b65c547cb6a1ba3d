"""One JSON answer by Flask."""

from flask import Flask

app = Flask(__name__)


@app.get("/json")
def json() -> dict[str, str]:
    return {"message": "Hello, World!"}
