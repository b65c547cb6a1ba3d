// What an application tells start_response (PEP 3333): checked, and put into the response.
// Attached.
#pragma once
#include <Python.h>

#include <cstdint>

#include "http/response.h"

namespace allcores::runtime {

// Into `response`, which is reset first. `length`: what Content-Length says, -1 without it. False
// with a Python exception set that says what is wrong.
bool set_wsgi_head(PyObject* status, PyObject* headers, http::response& response,
                   std::int64_t& length);

}  // namespace allcores::runtime
