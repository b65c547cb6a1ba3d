"""Which of Starlette's own tests say something else over a socket, and why.

Each is looked for: one that is not found any more is a failure too. Names are as in the tests' ids,
with * as in names of files.
"""

REASONS = {
    "a Host that can't be one (a port above 65535, [:::], a kind of address that there is not) is "
    "refused by the server with 400, before the application": [
        "middleware/test_https_redirect.py::test_https_redirect_middleware[[]*",
        "middleware/test_https_redirect.py::test_https_redirect_middleware_without_server*",
        "middleware/test_trusted_host.py::test_trusted_host_middleware_ipv6*",
        "test_routing.py::test_host_routing_rejects_invalid_hosts*",
        "test_routing.py::test_host_routing_ignores_port*",
        "test_routing.py::test_host_routing_ip_literals*",
    ],
    "a client of HTTP does not send it: more than Content-Length says, blanks around a value": [
        "middleware/test_body_limit.py::"
        "test_received_bytes_are_counted_with_unreliable_content_length*",
        "test_requests.py::test_cookies_invalid*",
        "test_staticfiles.py::test_staticfiles_304_with_if_none_match_wildcard*",
    ],
    "httpx's transport for sockets does not show trailers (tests/python/test_asgi.py does)": [
        "middleware/test_gzip.py::test_gzip_trailers*",
        "middleware/test_gzip.py::test_gzip_excluded_content_type_trailers*",
    ],
    "a response's template and context reach TestClient past HTTP (http.response.debug)": [
        "test_templates.py::test_templates[[]*",
        "test_templates.py::test_calls_context_processors*",
        "test_templates.py::test_template_with_middleware*",
        "test_templates.py::test_templates_with_directories*",
        "test_templates.py::test_templates_with_environment*",
    ],
    "the server's port is its own": [
        "middleware/test_opentelemetry.py::test_http_span_uses_route_and_semantic_attributes*",
    ],
    "an application has the context variables of its server, not those of the test": [
        "test_concurrency.py::test_accessing_context_from_threaded_sync_endpoint*",
    ],
    "a method that HTTP has not is 501, before the application": [
        "test_endpoints.py::test_http_endpoint_does_not_dispatch_non_verb_method*",
    ],
    "the server's answer for an application that raises has a body": [
        "test_exceptions.py::test_force_500_response*",
    ],
    "HTTP/1.1 has no push": ["test_requests.py::test_request_send_push_promise[[]*"],
    "123 is no status of a response: it is informational": [
        "test_responses.py::test_response_phrase*"
    ],
    "a client of WebSocket has fields of its own, and a key that is one": [
        "test_websockets.py::test_websocket_headers*",
    ],
    "a WebSocket that is closed before it is accepted is a 403, which has no code": [
        "test_websockets.py::test_rejected_connection*",
    ],
    "TestClient hands any message to the application": [
        "test_websockets.py::test_receive_wrong_message_type*",
    ],
}

DIFFERENCES = [test for tests in REASONS.values() for test in tests]

# Not run: of TestClient itself; and that a folder can't be read, which root always can.
LEFT_OUT = [
    "test_testclient.py::*",
    "test_staticfiles.py::test_staticfiles_with_invalid_dir_permissions_returns_401*",
]
