"""A Flask application: sessions, templates, uploads, streams with the request's context."""

import hashlib
import io
from wsgiref.validate import validator

from flask import (
    Flask,
    Response,
    abort,
    flash,
    g,
    jsonify,
    redirect,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask.views import MethodView

app = Flask(__name__)
app.secret_key = "not secret"
app.config["MAX_CONTENT_LENGTH"] = 200 << 20

PAGE = """<h1>{{ title }}</h1>
{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}"""


@app.before_request
def before():
    g.steps = ["before"]


@app.after_request
def after(response):
    response.headers["X-Steps"] = " ".join([*g.steps, "after"])
    return response


@app.teardown_request
def teardown(error):
    if request.args.get("teardown"):
        print(f"flask: teardown {error}", flush=True)


@app.get("/")
def index():
    return jsonify(url=request.url, root=request.url_root, client=request.remote_addr)


@app.get("/session")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.route("/flash", methods=["GET", "POST"])
def flashed():
    if request.method == "POST":
        flash(f"Hello <{request.form['name']}>")
        return redirect(url_for("flashed"))
    return render_template_string(PAGE, title="Flask")


@app.post("/upload")
def upload():
    found = request.files["file"]
    digest, size = hashlib.sha256(), 0
    while part := found.stream.read(1 << 20):
        digest.update(part)
        size += len(part)
    return jsonify(name=found.filename, size=size, hash=digest.hexdigest(), note=request.form["n"])


@app.route("/raw", methods=["POST", "PUT"])
def raw():
    digest, size = hashlib.sha256(), 0
    while part := request.stream.read(1 << 16):
        digest.update(part)
        size += len(part)
    return jsonify(size=size, hash=digest.hexdigest())


@app.get("/stream")
def stream():
    def parts():
        for number in range(request.args.get("count", 10, int)):
            yield f"{request.path} {number}\n"

    return Response(stream_with_context(parts()), mimetype="text/plain")


@app.get("/endless")
def endless():
    def parts():
        try:
            while True:
                yield bytes(65536)
        finally:
            print("flask: closed", flush=True)

    return Response(parts())


@app.get("/file")
def file():
    return send_file(__file__, conditional=True)


@app.get("/memory")
def memory():
    return send_file(io.BytesIO(b"from memory"), download_name="memory.txt")


@app.get("/teapot")
def teapot():
    abort(418)


@app.errorhandler(404)
def missing(error):
    return jsonify(error=error.description), 404


@app.get("/fails")
def fails():
    raise LookupError("fails on purpose")


@app.get("/async")
async def asynchronous():
    import asyncio

    await asyncio.sleep(0)
    return "from a loop of its own"


class Items(MethodView):
    def get(self, number):
        return jsonify(number)

    def delete(self, number):
        response = app.response_class(status=204)
        del response.headers["Content-Type"]  # which wsgiref's validator does not want there
        return response


app.add_url_rule("/items/<int:number>", view_func=Items.as_view("items"))

validated = validator(app)
