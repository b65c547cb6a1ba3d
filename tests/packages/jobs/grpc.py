"""A server and a client that talk, with its own threads, a stream, and an error."""

from concurrent.futures import ThreadPoolExecutor

import grpc


def upper(request: bytes, context: grpc.ServicerContext) -> bytes:
    if request == b"wrong":
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
    return request.upper()


def letters(request: bytes, context: grpc.ServicerContext) -> object:
    for i in range(len(request)):
        yield request[i : i + 1]


def work() -> object:
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {
        "upper": grpc.unary_unary_rpc_method_handler(upper),
        "letters": grpc.unary_stream_rpc_method_handler(letters),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/test/upper")
        found = [call(b"line %d" % i, timeout=30) for i in range(50)]
        later = [call.future(b"x", timeout=30) for _ in range(20)]
        assert all(each.result() == b"X" for each in later)
        stream = list(channel.unary_stream("/test/letters")(b"abc", timeout=30))
        try:
            call(b"wrong", timeout=30)
        except grpc.RpcError as error:
            code = error.code().name
    server.stop(None).wait()
    return found[-1], stream, code
