#include "runtime/wsgi_start_response.h"

#include <structmember.h>

#include <cstddef>

#include "data/guarded.h"

namespace allcores::runtime {

namespace {

PyObject* is_over(const char* name) {
    PyErr_Format(PyExc_RuntimeError, "%s was called after its request was answered", name);
    return nullptr;
}

// The arguments of start_response, by position or by name.
struct arguments {
    PyObject* status = nullptr;
    PyObject* headers = nullptr;
    PyObject* exc_info = nullptr;
};

bool parse(PyObject* const* values, std::size_t flags, PyObject* names, arguments& found) {
    PyObject** const slots[] = {&found.status, &found.headers, &found.exc_info};
    static constexpr const char* known[] = {"status", "headers", "exc_info"};
    const Py_ssize_t count = PyVectorcall_NARGS(flags);
    bool good = count <= 3;
    for (Py_ssize_t i = 0; good && i < count; ++i) *slots[i] = values[i];
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; good && i < named; ++i) {
        PyObject* name = PyTuple_GET_ITEM(names, i);
        std::size_t which = 0;
        while (which < 3 && !PyUnicode_EqualToUTF8(name, known[which])) ++which;
        // PEP 3333 has response_headers for the second, and that it is passed by position.
        if (which == 3 && PyUnicode_EqualToUTF8(name, "response_headers")) which = 1;
        good = which < 3 && *slots[which] == nullptr;
        if (good) *slots[which] = values[count + i];
    }
    if (good && found.headers != nullptr && found.status != nullptr) return true;
    PyErr_SetString(
        PyExc_TypeError,
        "start_response takes (status, headers, exc_info=None): two or three arguments");
    return false;
}

PyObject* call_start_response(PyObject* object, PyObject* const* values, std::size_t flags,
                              PyObject* names) {
    auto* self = reinterpret_cast<wsgi_start_response*>(object);
    if (self->answer == nullptr) return is_over("start_response");
    arguments given;
    if (!parse(values, flags, names, given)) return nullptr;
    if (!self->answer->set_head(given.status, given.headers, given.exc_info)) return nullptr;
    return Py_NewRef(reinterpret_cast<PyObject*>(self->write));
}

PyObject* call_write(PyObject* object, PyObject* const* values, std::size_t flags,
                     PyObject* names) {
    auto* self = reinterpret_cast<wsgi_write*>(object);
    if (self->answer == nullptr) return is_over("write");
    if (PyVectorcall_NARGS(flags) != 1 || (names != nullptr && PyTuple_GET_SIZE(names) != 0)) {
        PyErr_SetString(PyExc_TypeError, "write takes one argument: bytes");
        return nullptr;
    }
    if (!PyBytes_Check(values[0])) {
        PyErr_Format(PyExc_TypeError, "write takes bytes, not %T", values[0]);
        return nullptr;
    }
    if (self->thread != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "write can be called only on the thread that the application was called "
                        "on");
        return nullptr;
    }
    return data::guarded([&]() -> PyObject* {
        const bool good = self->answer->write(
            {PyBytes_AS_STRING(values[0]), static_cast<std::size_t>(PyBytes_GET_SIZE(values[0]))});
        return good ? Py_NewRef(Py_None) : nullptr;
    });
}

void deallocate_write(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

void deallocate_start_response(PyObject* self) {
    Py_CLEAR(reinterpret_cast<wsgi_start_response*>(self)->write);
    deallocate_write(self);
}

PyMemberDef write_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(wsgi_write, call), Py_READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot write_slots[] = {
    {Py_tp_doc, const_cast<char*>("write(bytes): a part of the body, sent at once.")},
    {Py_tp_members, write_members},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate_write)},
    {0, nullptr},
};

constexpr unsigned int flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                               Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL;

PyType_Spec write_spec = {"allcores.wsgi.write", sizeof(wsgi_write), 0, flags, write_slots};

PyMemberDef members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(wsgi_start_response, call), Py_READONLY,
     nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("start_response(status, headers, exc_info=None) of PEP 3333.")},
    {Py_tp_members, members},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate_start_response)},
    {0, nullptr},
};

PyType_Spec spec = {"allcores.wsgi.start_response", sizeof(wsgi_start_response), 0, flags, slots};

}  // namespace

PyTypeObject* make_start_response_type() {
    return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

PyTypeObject* make_wsgi_write_type() {
    return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&write_spec));
}

wsgi_start_response* new_start_response(PyTypeObject* type, PyTypeObject* write_type,
                                        wsgi_answer* answer) {
    auto* self = reinterpret_cast<wsgi_start_response*>(type->tp_alloc(type, 0));
    if (self == nullptr) return nullptr;
    self->write = reinterpret_cast<wsgi_write*>(write_type->tp_alloc(write_type, 0));
    if (self->write == nullptr) {
        Py_DECREF(self);
        return nullptr;
    }
    self->call = call_start_response;
    self->write->call = call_write;
    self->answer = self->write->answer = answer;
    self->write->thread = PyThread_get_thread_ident();
    return self;
}

bool finish_start_response(wsgi_start_response* self) {
    if (Py_REFCNT(self) == 1 && Py_REFCNT(self->write) == 1) return true;
    self->answer = self->write->answer = nullptr;
    Py_DECREF(self);
    return false;
}

}  // namespace allcores::runtime
