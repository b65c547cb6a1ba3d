"""Loading and writing with libyaml, with tags of our own, errors."""

import yaml


class Loader(yaml.CSafeLoader):
    pass


Loader.add_constructor("!twice", lambda loader, node: 2 * int(loader.construct_scalar(node)))


def work() -> object:
    value = {"a": [1, 2.5, None, "x"], "b": {"c": [True] * 10}}
    for _ in range(50):
        text = yaml.dump(value, Dumper=yaml.CSafeDumper)
        assert yaml.load(text, Loader) == value
    try:
        yaml.load("a: [", Loader)
    except yaml.YAMLError as error:
        line = error.problem_mark.line
    return yaml.load("a: !twice 21", Loader), text, line
