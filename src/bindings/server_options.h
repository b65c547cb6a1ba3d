// The options of allcores._core.Server that come as a dict: what is listened on besides a host and
// what is said, trusted and answered beside the application. Attached, on any thread.
#pragma once
#include <Python.h>

#include "http/server.h"

namespace allcores::bindings {

// Takes over what the dict has. Throws python_error: TypeError, ValueError for an unknown name or a
// value that is none.
void read_server_options(PyObject* given, http::server_options& options);

}  // namespace allcores::bindings
