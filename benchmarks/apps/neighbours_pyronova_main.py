"""python neighbours_pyronova_main.py PORT WORKERS: the search for Pyronova.

Each of its workers runs this file too.
"""

import sys

from neighbours_work import load, respond, who
from pyronova import Pyronova, Request, Response

app = Pyronova()
finder = load()


@app.get("/nearest")
def nearest(request: Request) -> Response:
    query = request.query_params
    return Response(respond(finder, query["point"], query["way"]), content_type="application/json")


@app.get("/who")
def worker(request: Request) -> str:
    return who()


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]))
