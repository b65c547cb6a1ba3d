// wsgi.input: the body of one request as a file to read from (PEP 3333, "Input and Error Streams").
// A body that is here whole is read from where it lies; of a long one, what has come is read, and
// then the worker waits for the client with the interpreter released.
//
// A worker has one such object and uses it again for the next request while nobody else holds it;
// one that an application keeps gets a copy of what it has not read. Used with the worker's GIL
// held; a body that still comes can be read on the worker's own thread only.
#pragma once
#include <Python.h>

#include <string_view>

#include "http/exchange.h"

namespace allcores::runtime {

struct wsgi_input {
    PyObject_HEAD const char* at;  // what is here and not read
    std::size_t left;
    PyObject* owner;           // of these bytes, once the request is over; null: the connection
    http::exchange* exchange;  // of a body that still comes; null: no more of it will
    unsigned long thread;      // who may use that
    bool gone;                 // the client, before the body was whole
    bool cut;                  // the request was answered before it was whole

    PyObject* object() { return reinterpret_cast<PyObject*>(this); }
};

// The type; a new reference, or null with an exception set.
PyTypeObject* make_wsgi_input_type();

wsgi_input* new_wsgi_input(PyTypeObject* type);
// It reads this body from now on; or, with `exchange`, what comes there.
void begin_input(wsgi_input* self, std::string_view body, http::exchange* exchange);
// The exchange may be used no more.
void end_stream(wsgi_input* self);
// The request is answered. True: it may be used again. False: somebody else than us, who have `own`
// references, keeps it; it has a copy of the rest and is not ours any more.
bool finish_input(wsgi_input* self, Py_ssize_t own);

}  // namespace allcores::runtime
