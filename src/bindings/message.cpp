// Messages in Python: for tests and benchmarks only, which want encoding and decoding one by one.
// Calls and channels have messages of their own, in C++.
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <memory>

#include "bindings/module.h"
#include "data/foreign_memory.h"
#include "data/guarded.h"
#include "data/handed_memory.h"
#include "data/message.h"
#include "data/message_types.h"
#include "interpreter/arena_cache.h"

namespace allcores::bindings {
namespace {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

struct message_object {
    PyObject_HEAD data::message held;
};

data::message& held(PyObject* self) {
    return reinterpret_cast<message_object*>(self)->held;
}

PyObject* message_decode(PyObject* self, PyObject*) {
    return guarded([&] { return held(self).decode(); });
}

PyObject* message_size(PyObject* self, PyObject*) {
    return PyLong_FromSize_t(held(self).size());
}

void message_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&held(self));
    type->tp_free(self);
    Py_DECREF(type);
}

PyMethodDef message_methods[] = {
    {"decode", message_decode, METH_NOARGS, nullptr},
    {"size", message_size, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot message_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(message_dealloc)},
    {Py_tp_methods, message_methods},
    {0, nullptr},
};

PyType_Spec message_spec = {
    "allcores._core._Message",
    sizeof(message_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    message_slots,
};

// _encode(obj) -> _Message; the function's self is a tuple of that class.
PyObject* encode(PyObject* self, PyObject* value) {
    return guarded([&]() -> ref {
        auto* message_type = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(self, 0));
        ref made = checked(message_type->tp_alloc(message_type, 0));
        std::construct_at(&held(made.get()), data::message::encode(value));
        return made;
    });
}

PyMethodDef encode_definition = {"_encode", encode, METH_O, nullptr};

PyObject* send_copy(PyObject*, PyObject* object) {
    return guarded([&] { return data::message::encode(object).decode(); });
}

// Takes the list's only element, as a result is taken that nobody else has.
PyObject* send_last(PyObject*, PyObject* list) {
    return guarded([&] {
        if (!PyList_CheckExact(list) || PyList_GET_SIZE(list) != 1) {
            PyErr_SetString(PyExc_TypeError, "_send_last([object])");
            throw python_error();
        }
        ref last = ref::borrow(PyList_GET_ITEM(list, 0));
        checked(PyList_SetSlice(list, 0, 1, nullptr));
        return data::message::encode_last(std::move(last)).decode();
    });
}

// A persistent_id for pickles that nobody reads: whether an object would be left out.
PyObject* other_way(PyObject*, PyObject* object) {
    return guarded([&] { return Py_NewRef(data::has_other_way(object) ? Py_True : Py_None); });
}

// A pickler's reducer_override that leaves all but functions, classes, modules, exceptions and
// frozen NumPy arrays to pickle itself, without a call of a Python function for each object.
PyObject* reduce(PyObject* special, PyObject* object) {
    if (Py_IS_TYPE(object, &PyDictProxy_Type)) {
        // (What copyreg knows of it, for pickles, makes it a dict.)
        PyObject* mapping = reinterpret_cast<data::proxy_object*>(object)->mapping;
        if (PyDict_CheckExact(mapping)) {
            return guarded([&] {
                ref module = checked(PyImport_ImportModule("allcores._sending"));
                ref make = checked(PyObject_GetAttrString(module.get(), "make_proxy"));
                return checked(Py_BuildValue("O(O)", make.get(), mapping));
            });
        }
    }
    if (PyType_Check(object) || PyFunction_Check(object) || PyModule_Check(object) ||
        PyExceptionInstance_Check(object) ||
        (data::is_numpy_array(object) && data::frozen_memory_of(object) != nullptr)) {
        return PyObject_CallOneArg(special, object);
    }
    return Py_NewRef(Py_NotImplemented);
}

PyMethodDef reduce_definition = {"reducer_override", reduce, METH_O, nullptr};

PyObject* reducer(PyObject*, PyObject* special) {
    return PyCFunction_New(&reduce_definition, special);
}

PyMethodDef methods[] = {
    {"_reducer", reducer, METH_O, nullptr},
    {"_other_way", other_way, METH_O, nullptr},
    {"_send_copy", send_copy, METH_O, nullptr},
    {"_send_last", send_last, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_message(PyObject* module) {
    return guarded([&] {
        data::look_at_allocator();
        interpreter::cache_arenas();
        ref type = checked(PyType_FromModuleAndSpec(module, &message_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        ref self = checked(PyTuple_Pack(1, type.get()));
        ref function = checked(PyCFunction_New(&encode_definition, self.get()));
        checked(PyModule_AddObjectRef(module, "_encode", function.get()));
        return PyModule_AddFunctions(module, methods);
    });
}

}  // namespace allcores::bindings
