// What ASGI requests and WebSockets have in common: looking into the messages that an application
// sends, and the futures that its receive() and send() wait for. With the GIL held.
#pragma once
#include <Python.h>

#include <string_view>

#include "data/guarded.h"

namespace allcores::runtime {

class asgi_application;

// Throw data::python_error with that exception set.
[[noreturn]] void refuse(PyObject* type, const char* text);
[[noreturn]] void refuse_gone();  // the client has gone: an OSError, as the specification says

// Of a message; borrowed. Null where there is none. Throws data::python_error.
PyObject* find(PyObject* message, PyObject* key);
// Its type, a str. Throws for what is no message.
PyObject* type_of_message(asgi_application& home, PyObject* message);
bool is_true(PyObject* value);  // null is false
inline bool is_name(PyObject* type, PyObject* name) {
    return type == name || PyUnicode_Equal(type, name) == 1;
}

// The worker, or an exception when it has ended.
asgi_application& asgi_home(asgi_application* home);

// Whether somebody waits for the future there.
bool is_waited_for(asgi_application& home, PyObject* slot);
// An awaitable of the future in `slot`, a new one where there is none that still waits: one that
// was given up (its task was cancelled) has lost nothing, since its value is made when it is there.
PyObject* wait_for(asgi_application& home, PyObject*& slot);
// Gives the future in `slot`, if there is one, its value, and empties the slot.
void resolve(asgi_application& home, PyObject*& slot, PyObject* value);

data::ref to_bytes(std::string_view text);

}  // namespace allcores::runtime
