// The callable start_response that a WSGI application gets, and the callable write(bytes) that it
// returns (PEP 3333). A worker has one of each and uses them again for the next request while
// nobody else holds them; those that an application keeps raise RuntimeError when they are called
// after their request. Used with the worker's GIL held.
#pragma once
#include <Python.h>

#include "runtime/wsgi_answer.h"

namespace allcores::runtime {

struct wsgi_write {
    PyObject_HEAD vectorcallfunc call;
    wsgi_answer* answer;  // null: the request is over
    unsigned long thread;
};

struct wsgi_start_response {
    PyObject_HEAD vectorcallfunc call;
    wsgi_answer* answer;  // null: the request is over
    wsgi_write* write;

    PyObject* object() { return reinterpret_cast<PyObject*>(this); }
};

// The types; new references, or null with an exception set.
PyTypeObject* make_start_response_type();
PyTypeObject* make_wsgi_write_type();

// For requests that `answer` answers; null with an exception set.
wsgi_start_response* new_start_response(PyTypeObject* type, PyTypeObject* write_type,
                                        wsgi_answer* answer);
// The request is answered. True: it may be used again. False: somebody keeps it or its write; it is
// not ours any more.
bool finish_start_response(wsgi_start_response* self);

}  // namespace allcores::runtime
