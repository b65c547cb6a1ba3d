#include "runtime/asgi_awaitable.h"

namespace allcores::runtime {

namespace {

struct awaitable {
    PyObject_HEAD PyObject* value;  // null: what the future will have
    PyObject* iterator;             // of the future
};

awaitable* cast(PyObject* self) {
    return reinterpret_cast<awaitable*>(self);
}

PyObject* itself(PyObject* self) {
    return Py_NewRef(self);
}

PySendResult advance(PyObject* object, PyObject* sent, PyObject** result) {
    awaitable* self = cast(object);
    if (self->value != nullptr) {
        *result = Py_NewRef(self->value);
        return PYGEN_RETURN;
    }
    if (self->iterator == nullptr) {
        *result = nullptr;
        PyErr_SetString(PyExc_RuntimeError, "the awaitable was closed");
        return PYGEN_ERROR;
    }
    return PyIter_Send(self->iterator, sent, result);
}

PyObject* send(PyObject* self, PyObject* sent) {
    PyObject* result = nullptr;
    const PySendResult what = advance(self, sent, &result);
    if (what != PYGEN_RETURN) return result;
    PyErr_SetObject(PyExc_StopIteration, result);
    Py_DECREF(result);
    return nullptr;
}

// Null without an exception is the end with None, which most have, and needs no StopIteration.
PyObject* next(PyObject* self) {
    PyObject* result = nullptr;
    const PySendResult what = advance(self, Py_None, &result);
    if (what != PYGEN_RETURN) return result;
    if (result != Py_None) PyErr_SetObject(PyExc_StopIteration, result);
    Py_DECREF(result);
    return nullptr;
}

PyObject* throw_into(PyObject* object, PyObject* const* arguments, Py_ssize_t count) {
    awaitable* self = cast(object);
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError, "throw() takes 1 to 3 arguments");
        return nullptr;
    }
    if (self->value == nullptr && self->iterator != nullptr) {
        PyObject* method = PyObject_GetAttrString(self->iterator, "throw");
        if (method == nullptr) return nullptr;
        PyObject* result =
            PyObject_Vectorcall(method, arguments, static_cast<size_t>(count), nullptr);
        Py_DECREF(method);
        return result;
    }
    PyObject* error = count > 1 && arguments[1] != Py_None ? arguments[1] : arguments[0];
    if (PyExceptionInstance_Check(error)) {
        PyErr_SetObject(PyExceptionInstance_Class(error), error);
    } else {
        PyErr_SetObject(arguments[0],
                        count > 1 && arguments[1] != Py_None ? arguments[1] : nullptr);
    }
    return nullptr;
}

PyObject* close(PyObject* self, PyObject*) {
    Py_CLEAR(cast(self)->iterator);
    return Py_NewRef(Py_None);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(cast(self)->value);
    Py_VISIT(cast(self)->iterator);
    return 0;
}

int clear(PyObject* self) {
    Py_CLEAR(cast(self)->value);
    Py_CLEAR(cast(self)->iterator);
    return 0;
}

void deallocate(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"send", send, METH_O, "As a coroutine's."},
    {"throw", reinterpret_cast<PyCFunction>(throw_into), METH_FASTCALL, "As a coroutine's."},
    {"close", close, METH_NOARGS, "As a coroutine's."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("What receive() and send() of an ASGI application return.")},
    {Py_tp_methods, methods},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_iter, reinterpret_cast<void*>(itself)},
    {Py_tp_iternext, reinterpret_cast<void*>(next)},
    {Py_am_await, reinterpret_cast<void*>(itself)},
    {Py_am_send, reinterpret_cast<void*>(advance)},
    {0, nullptr},
};

PyType_Spec spec = {
    "allcores._core.AsgiAwaitable",
    sizeof(awaitable),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
        Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

PyObject* make(PyTypeObject* type, PyObject* value, PyObject* iterator) {
    auto* made = PyObject_GC_New(awaitable, type);
    if (made == nullptr) {
        Py_XDECREF(value);
        Py_XDECREF(iterator);
        return nullptr;
    }
    made->value = value;
    made->iterator = iterator;
    PyObject_GC_Track(made);
    return reinterpret_cast<PyObject*>(made);
}

}  // namespace

PyTypeObject* make_awaitable_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

PyObject* ready_awaitable(PyTypeObject* type, PyObject* stolen_value) {
    if (stolen_value == nullptr) return nullptr;
    return make(type, stolen_value, nullptr);
}

PyObject* waiting_awaitable(PyTypeObject* type, PyObject* stolen_future) {
    if (stolen_future == nullptr) return nullptr;
    PyObject* iterator = PyObject_CallMethod(stolen_future, "__await__", nullptr);
    Py_DECREF(stolen_future);
    if (iterator == nullptr) return nullptr;
    return make(type, nullptr, iterator);
}

}  // namespace allcores::runtime
