#include "runtime/asgi_message.h"

#include <utility>

#include "runtime/asgi_application.h"
#include "runtime/asgi_awaitable.h"

namespace allcores::runtime {

using data::checked;
using data::python_error;
using data::ref;

void refuse(PyObject* type, const char* text) {
    PyErr_SetString(type, text);
    throw python_error();
}

void refuse_gone() {
    refuse(PyExc_ConnectionResetError, "ASGI: the client has gone");
}

PyObject* find(PyObject* message, PyObject* key) {
    PyObject* found = PyDict_GetItemWithError(message, key);
    if (found == nullptr && PyErr_Occurred()) throw python_error();
    return found;
}

PyObject* type_of_message(asgi_application& home, PyObject* message) {
    if (!PyDict_Check(message)) {
        PyErr_Format(PyExc_TypeError, "ASGI: a message must be a dict, not %T", message);
        throw python_error();
    }
    PyObject* type = find(message, home.names().type);
    if (type == nullptr || !PyUnicode_Check(type)) {
        refuse(PyExc_TypeError, "ASGI: a message needs 'type', a str");
    }
    return type;
}

bool is_true(PyObject* value) {
    if (value == nullptr || value == Py_False) return false;
    if (value == Py_True) return true;
    return checked(PyObject_IsTrue(value)) != 0;
}

asgi_application& asgi_home(asgi_application* home) {
    if (home == nullptr) refuse(PyExc_RuntimeError, "ASGI: the server has ended");
    return *home;
}

bool is_waited_for(asgi_application& home, PyObject* slot) {
    if (slot == nullptr) return false;
    return !is_true(checked(PyObject_CallMethodNoArgs(slot, home.names().done)).get());
}

PyObject* wait_for(asgi_application& home, PyObject*& slot) {
    if (!is_waited_for(home, slot)) {
        ref future = checked(home.new_future());
        Py_XSETREF(slot, future.release());
    }
    return waiting_awaitable(home.awaitable_type(), Py_NewRef(slot));
}

void resolve(asgi_application& home, PyObject*& slot, PyObject* value) {
    PyObject* future = std::exchange(slot, nullptr);
    if (future == nullptr) return;
    PyObject* done = PyObject_CallMethodNoArgs(future, home.names().done);
    PyObject* result =
        done == Py_False ? PyObject_CallMethodOneArg(future, home.names().future_set_result, value)
                         : Py_XNewRef(done);
    if (result == nullptr) PyErr_WriteUnraisable(future);
    Py_XDECREF(result);
    Py_XDECREF(done);
    Py_DECREF(future);
}

ref to_bytes(std::string_view text) {
    return checked(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

}  // namespace allcores::runtime
