// What an ASGI request and a WebSocket are alike in: an object that the application's receive() and
// send() are bound to, with the exchange that has its connection, its task, and the futures that
// wait. All that live are in a list of their worker's, so that none outlives it unknowingly. Used
// on the worker's thread, with the GIL held.
#pragma once
#include <Python.h>

#include "http/exchange.h"

namespace allcores::runtime {

class asgi_application;

struct asgi_client {
    PyObject_HEAD asgi_application* home;  // null: the worker has ended
    asgi_client *previous, *next;          // in home's list
    http::exchange* exchange;              // while the connection is its own
    PyObject* scope;
    PyObject* task;
    PyObject* receiver;  // the future that receive() waits for
    PyObject* sender;    // the same of send()
};

// Into and out of the list of `home`. Who leaves has nobody any more that could answer.
void enter_list(asgi_client* self, asgi_application& home);
void leave_list(asgi_client* self);
// The worker has ended: all of its clients know.
void disband_list(asgi_client* first);

int visit_client(asgi_client* self, visitproc visit, void* arg);
void clear_client(asgi_client* self);

// What its task calls when it is done. asgi_application::run() has taken the reference that is
// given back here; the callable has another.
template <class Kind>
PyObject* client_done(PyObject* object, PyObject* task) {
    auto* self = reinterpret_cast<Kind*>(object);
    if (self->home != nullptr) self->home->see_end(self, task);
    Py_CLEAR(self->task);
    Py_DECREF(object);
    return Py_NewRef(Py_None);
}

}  // namespace allcores::runtime
