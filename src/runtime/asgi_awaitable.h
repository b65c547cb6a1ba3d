// What receive() and send() of an ASGI request return: an awaitable that has its value already, or
// waits for a future of the event loop. It is an iterator of its own, so that awaiting a value that
// is there costs no more than a call; and it has a coroutine's methods, so that create_task() takes
// it.
#pragma once
#include <Python.h>

namespace allcores::runtime {

PyTypeObject* make_awaitable_type(PyObject* module);

// New references; null with an exception set. Both steal the second argument.
PyObject* ready_awaitable(PyTypeObject* type, PyObject* stolen_value);
PyObject* waiting_awaitable(PyTypeObject* type, PyObject* stolen_future);

}  // namespace allcores::runtime
