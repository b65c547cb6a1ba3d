"""An application, its client, templates, sessions, errors."""

import flask

app = flask.Flask("jobs.flask")
app.secret_key = "test"


@app.route("/<name>", methods=["GET", "POST"])
def show(name: str) -> object:
    flask.session["count"] = flask.session.get("count", 0) + 1
    if name == "page":
        return flask.render_template_string("<{{ name }}>{{ name|upper }}", name="<x>")
    if name == "wrong":
        flask.abort(418)
    return {"name": name, "count": flask.session["count"], "q": flask.request.args.get("q")}


def work() -> object:
    client = app.test_client()
    for i in range(20):
        found = client.get(f"/n{i}?q={i}").json
    return found, client.get("/page").text, client.get("/wrong").status_code
