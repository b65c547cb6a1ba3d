"""The application for Pyronova: python pyronova_main.py PORT WORKERS."""

import sys

from pyronova import Pyronova, Request, Response
from work import TEXT, burn, message

app = Pyronova()


@app.get("/")
def plaintext(request: Request) -> str:
    return TEXT


@app.get("/json")
def json(request: Request) -> Response:
    return Response(message(), content_type="application/json")


@app.get("/slow")
def slow(request: Request) -> str:
    return burn()


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]))
