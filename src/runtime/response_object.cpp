#include "runtime/response_object.h"

#include <structmember.h>

#include <array>
#include <cstddef>
#include <span>

namespace allcores::runtime {

namespace {

// Arguments by position or keyword into `values`, in the order of `names`; what is not given stays
// null. 0, or -1 with a TypeError set.
int take_arguments(const char* function, std::span<const char* const> names,
                   std::span<PyObject*> values, PyObject* const* args, std::size_t positional,
                   PyObject* keywords) {
    if (positional > names.size()) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zu arguments (%zu given)", function,
                     names.size(), positional);
        return -1;
    }
    for (std::size_t i = 0; i < positional; ++i) values[i] = args[i];
    const Py_ssize_t count = keywords != nullptr ? PyTuple_GET_SIZE(keywords) : 0;
    for (Py_ssize_t k = 0; k < count; ++k) {
        PyObject* keyword = PyTuple_GET_ITEM(keywords, k);
        std::size_t i = 0;
        while (i < names.size() && !PyUnicode_EqualToUTF8(keyword, names[i])) ++i;
        if (i == names.size()) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", function,
                         keyword);
            return -1;
        }
        if (values[i] != nullptr) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument %R", function,
                         keyword);
            return -1;
        }
        values[i] = args[positional + static_cast<std::size_t>(k)];
    }
    return 0;
}

PyObject* reference_or_null(PyObject* value) {
    return value == nullptr || value == Py_None ? nullptr : Py_NewRef(value);
}

int check_text(const char* function, const char* name, PyObject* value) {
    if (value == nullptr || value == Py_None || PyUnicode_Check(value)) return 0;
    PyErr_Format(PyExc_TypeError, "%s(): %s must be a str, not %T", function, name, value);
    return -1;
}

int to_status(PyObject* value, int* status) {
    if (value == nullptr) {
        *status = 200;
        return 0;
    }
    const long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred()) return -1;
    if (number < 200 || number > 599) {
        PyErr_Format(PyExc_ValueError, "Response(): status must be 200 to 599, not %ld", number);
        return -1;
    }
    *status = static_cast<int>(number);
    return 0;
}

PyObject* response_vectorcall(PyObject* type, PyObject* const* args, std::size_t flags,
                              PyObject* keywords) {
    static constexpr std::array<const char*, 4> names{"body", "status", "headers", "content_type"};
    std::array<PyObject*, 4> values{};
    int status = 200;
    if (take_arguments("Response", names, values, args,
                       static_cast<std::size_t>(PyVectorcall_NARGS(flags)), keywords) < 0 ||
        to_status(values[1], &status) < 0 ||
        check_text("Response", "content_type", values[3]) < 0) {
        return nullptr;
    }
    auto* self = PyObject_GC_New(response_object, reinterpret_cast<PyTypeObject*>(type));
    if (self == nullptr) return nullptr;
    self->body =
        values[0] != nullptr ? Py_NewRef(values[0]) : Py_GetConstant(Py_CONSTANT_EMPTY_BYTES);
    self->headers = reference_or_null(values[2]);
    self->content_type = reference_or_null(values[3]);
    self->status = status;
    PyObject_GC_Track(self);
    return reinterpret_cast<PyObject*>(self);
}

PyObject* file_response_vectorcall(PyObject* type, PyObject* const* args, std::size_t flags,
                                   PyObject* keywords) {
    static constexpr std::array<const char*, 5> names{"path", "start", "stop", "content_type",
                                                      "headers"};
    std::array<PyObject*, 5> values{};
    if (take_arguments("FileResponse", names, values, args,
                       static_cast<std::size_t>(PyVectorcall_NARGS(flags)), keywords) < 0 ||
        check_text("FileResponse", "content_type", values[3]) < 0) {
        return nullptr;
    }
    if (values[0] == nullptr) {
        PyErr_SetString(PyExc_TypeError, "FileResponse() needs a path");
        return nullptr;
    }
    const long long start = values[1] != nullptr ? PyLong_AsLongLong(values[1]) : 0;
    if (start == -1 && PyErr_Occurred()) return nullptr;
    const bool to_end = values[2] == nullptr || values[2] == Py_None;
    const long long stop = to_end ? -1 : PyLong_AsLongLong(values[2]);
    if (stop == -1 && PyErr_Occurred()) return nullptr;
    if (start < 0 || (!to_end && stop < start)) {
        PyErr_Format(PyExc_ValueError,
                     "FileResponse(): a part from %lld to %lld is none: 0 <= start <= stop", start,
                     stop);
        return nullptr;
    }
    PyObject* path = nullptr;
    if (!PyUnicode_FSConverter(values[0], &path)) return nullptr;
    auto* self = PyObject_GC_New(file_response_object, reinterpret_cast<PyTypeObject*>(type));
    if (self == nullptr) {
        Py_DECREF(path);
        return nullptr;
    }
    self->path = path;
    self->headers = reference_or_null(values[4]);
    self->content_type = reference_or_null(values[3]);
    self->start = start;
    self->stop = stop;
    PyObject_GC_Track(self);
    return reinterpret_cast<PyObject*>(self);
}

// Both types begin with three references of the same meaning to the collector.
static_assert(offsetof(response_object, body) == offsetof(file_response_object, path));
static_assert(offsetof(response_object, content_type) ==
              offsetof(file_response_object, content_type));

response_object* cast(PyObject* self) {
    return reinterpret_cast<response_object*>(self);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(cast(self)->body);
    Py_VISIT(cast(self)->headers);
    Py_VISIT(cast(self)->content_type);
    return 0;
}

int clear(PyObject* self) {
    Py_CLEAR(cast(self)->body);
    Py_CLEAR(cast(self)->headers);
    Py_CLEAR(cast(self)->content_type);
    return 0;
}

void deallocate(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyObject* get_status(PyObject* self, void*) {
    return PyLong_FromLong(cast(self)->status);
}

int set_status(PyObject* self, PyObject* value, void*) {
    if (value == nullptr) {
        PyErr_SetString(PyExc_AttributeError, "a response has a status");
        return -1;
    }
    return to_status(value, &cast(self)->status);
}

PyObject* get_headers(PyObject* self, void*) {
    if (cast(self)->headers == nullptr) {
        cast(self)->headers = PyList_New(0);
        if (cast(self)->headers == nullptr) return nullptr;
    }
    return Py_NewRef(cast(self)->headers);
}

int set_headers(PyObject* self, PyObject* value, void*) {
    Py_XSETREF(cast(self)->headers, reference_or_null(value));
    return 0;
}

PyObject* set_cookie(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject* support = PyImport_ImportModule("allcores._http_support");
    if (support == nullptr) return nullptr;
    PyObject* function = PyObject_GetAttrString(support, "set_cookie");
    Py_DECREF(support);
    if (function == nullptr) return nullptr;
    PyObject* bound = PyMethod_New(function, self);
    Py_DECREF(function);
    if (bound == nullptr) return nullptr;
    PyObject* result = PyObject_Call(bound, args, keywords);
    Py_DECREF(bound);
    return result;
}

PyMemberDef response_members[] = {
    {"body", Py_T_OBJECT_EX, offsetof(response_object, body), 0, "What is sent."},
    {"content_type", _Py_T_OBJECT, offsetof(response_object, content_type), 0,
     "The media type, or None for the one that the body's type has."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef response_attributes[] = {
    {"status", get_status, set_status, "The status code, 200 to 599.", nullptr},
    {"headers", get_headers, set_headers,
     "More header fields: a mapping or a list of (name, value).", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMethodDef response_methods[] = {
    {"set_cookie", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(set_cookie)),
     METH_VARARGS | METH_KEYWORDS,
     "set_cookie($self, /, name, value, **attributes)\n--\n\nAdd a Set-Cookie field; the "
     "attributes are those "
     "of allcores.http.set_cookie_header."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot response_slots[] = {
    {Py_tp_doc, const_cast<char*>(
                    "Response(body=b'', status=200, headers=None, content_type=None)\n--\n\n"
                    "A whole answer. The body is bytes-like (application/octet-stream), a str\n"
                    "(text/plain; charset=utf-8), or anything that JSON has (application/json).")},
    {Py_tp_members, response_members},
    {Py_tp_getset, response_attributes},
    {Py_tp_methods, response_methods},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_vectorcall, reinterpret_cast<void*>(response_vectorcall)},
    {0, nullptr},
};

PyType_Spec response_spec = {
    "allcores.http.Response",
    sizeof(response_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    response_slots,
};

PyMemberDef file_members[] = {
    {"path", Py_T_OBJECT_EX, offsetof(file_response_object, path), Py_READONLY,
     "The file's path, bytes."},
    {"content_type", _Py_T_OBJECT, offsetof(file_response_object, content_type), Py_READONLY,
     "The media type, or None for the one that the path's extension has."},
    {"start", Py_T_LONGLONG, offsetof(file_response_object, start), Py_READONLY,
     "Where the part begins, bytes."},
    {"stop", Py_T_LONGLONG, offsetof(file_response_object, stop), Py_READONLY,
     "Where the part ends, bytes; -1: with the file."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef file_attributes[] = {
    {"headers", get_headers, set_headers,
     "More header fields: a mapping or a list of (name, value).", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot file_slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "FileResponse(path, start=0, stop=None, content_type=None, headers=None)\n--\n\n"
         "A file, or its bytes from start to stop, sent by the kernel. Answers Range, If-Range,\n"
         "If-None-Match, If-Modified-Since and their like by itself; 404 where there is no such "
         "file.")},
    {Py_tp_members, file_members},
    {Py_tp_getset, file_attributes},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_vectorcall, reinterpret_cast<void*>(file_response_vectorcall)},
    {0, nullptr},
};

PyType_Spec file_spec = {
    "allcores.http.FileResponse",
    sizeof(file_response_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    file_slots,
};

}  // namespace

PyTypeObject* make_response_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(
        PyType_FromModuleAndSpec(module, &response_spec, nullptr));
}

PyTypeObject* make_file_response_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &file_spec, nullptr));
}

}  // namespace allcores::runtime
