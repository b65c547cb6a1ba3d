// Header fields as ASGI has them, pairs of bytes, into a response. With the GIL held.
#pragma once
#include <Python.h>

#include <cstdint>

#include "http/response.h"

namespace allcores::runtime {

// `pairs` is a list or tuple, or null. Returns what Content-Length says, -1 where there is none.
// What the server writes itself is left out: Transfer-Encoding, Date, and what Connection says but
// "close". Throws data::python_error, std::invalid_argument.
std::int64_t add_asgi_headers(PyObject* pairs, http::response& response);

}  // namespace allcores::runtime
