"""Decorators for functions and methods, and a proxy."""

import wrapt


@wrapt.decorator
def one_more(wrapped: object, instance: object, arguments: object, named: object) -> object:
    return wrapped(*arguments, **named) + (1 if instance is None else 2)


@one_more
def function(value: int) -> int:
    return value


class Some:
    @one_more
    def method(self, value: int) -> int:
        return value


def work() -> object:
    results = {(function(i) - i, Some().method(i) - i) for i in range(1000)}
    proxy = wrapt.ObjectProxy([1])
    proxy.append(2)
    return results, proxy == [1, 2], isinstance(proxy, list), wrapt.ObjectProxy.__module__
