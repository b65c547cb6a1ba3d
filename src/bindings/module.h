// The extension module's parts: each file of bindings/ adds its own functions and types to the
// module.
#pragma once
#include <Python.h>

namespace allcores::bindings {

// Each returns 0, or -1 with a Python exception set. Called once per interpreter, with its GIL
// held.
int add_freeze(PyObject* module);
int add_interpreter(PyObject* module);
int add_http(PyObject* module);
int add_server_options(PyObject* module);
int add_image(PyObject* module);
int add_compiled(PyObject* module);
int add_message(PyObject* module);
int add_frozen_names(PyObject* module);
int add_view(PyObject* module);
int add_channel(PyObject* module);
int add_dict(PyObject* module);
int add_counter(PyObject* module);
int add_kept(PyObject* module);
int add_proxy(PyObject* module);
int add_calling(PyObject* module);

}  // namespace allcores::bindings
