// http.Response and http.FileResponse: what a handler returns when a plain body does not say
// enough.
//
// Made once for many requests, so construction goes through vectorcall and nothing is checked
// twice: names and values of header fields are checked when they are sent.
#pragma once
#include <Python.h>

namespace allcores::runtime {

struct response_object {
    PyObject_HEAD PyObject* body;  // bytes-like, str, or anything that JSON has
    PyObject* headers;             // null, a mapping, or a sequence of (name, value)
    PyObject* content_type;        // null: by the body's type
    int status;
};

struct file_response_object {
    PyObject_HEAD PyObject* path;  // bytes, as the file system takes it
    PyObject* headers;             // as above
    PyObject* content_type;        // null: by the path's extension
    long long start;               // the part of the file that is the resource, bytes
    long long stop;                // -1: the file's end
};

// The types, made once per interpreter; new references, or null with an exception set.
PyTypeObject* make_response_type(PyObject* module);
PyTypeObject* make_file_response_type(PyObject* module);

}  // namespace allcores::runtime
