"""A Dash application: a plot that a callback draws again."""

from dash import Dash, Input, Output, dcc, html

dash = Dash(__name__, serve_locally=True)
dash.layout = html.Div(
    [
        html.H1("Squares", id="title"),
        dcc.Input(id="count", type="number", value=5),
        dcc.Graph(id="plot"),
        html.Div(id="sum"),
    ]
)


@dash.callback(Output("plot", "figure"), Output("sum", "children"), Input("count", "value"))
def draw(count):
    values = [number * number for number in range(count or 0)]
    figure = {"data": [{"type": "bar", "y": values}], "layout": {"title": {"text": "Squares"}}}
    return figure, f"sum {sum(values)}"


app = dash.server
