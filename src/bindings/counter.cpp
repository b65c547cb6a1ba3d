// allcores.Counter: the Python type.
#include <memory>

#include "bindings/module.h"
#include "concurrency/core_counter.h"
#include "data/guarded.h"
#include "data/message_types.h"

namespace allcores::bindings {

using concurrency::core_counter;
using concurrency::wide_int;
using data::checked;
using data::guarded;
using data::python_error;
using data::ref;

namespace {

// Any number of these, in any interpreters, are one counter.
struct counter_object {
    PyObject_HEAD std::shared_ptr<core_counter> counter;
};

std::shared_ptr<core_counter>& counter_of(PyObject* self) {
    return reinterpret_cast<counter_object*>(self)->counter;
}

ref make_object(PyTypeObject* type, std::shared_ptr<core_counter> counter) {
    ref made = checked(PyType_GenericAlloc(type, 0));
    std::construct_at(&counter_of(made.get()), std::move(counter));
    return made;
}

PyObject* counter_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
    return guarded([&] {
        if (PyTuple_GET_SIZE(arguments) != 0 ||
            (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0)) {
            PyErr_SetString(PyExc_TypeError,
                            "Counter() takes no arguments: it counts up from 0, and is no "
                            "collections.Counter");
            throw python_error();
        }
        return make_object(type, std::make_shared<core_counter>());
    });
}

void counter_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&counter_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

ref as_int(wide_int number) {
    return checked(PyLong_FromNativeBytes(&number, sizeof number, Py_ASNATIVEBYTES_NATIVE_ENDIAN));
}

// add(n=1)
PyObject* counter_add(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return guarded([&] {
        if (count > 1) {
            PyErr_SetString(PyExc_TypeError, "it is called as Counter.add(n=1)");
            throw python_error();
        }
        std::int64_t number = 1;
        if (count == 1) {
            ref exact = checked(PyNumber_Index(arguments[0]));
            number = PyLong_AsLongLong(exact.get());
            if (number == -1 && PyErr_Occurred()) throw python_error();
        }
        counter_of(self)->add(number);
        return ref::borrow(Py_None);
    });
}

PyObject* counter_increment(PyObject* self, PyObject*) {
    counter_of(self)->add(1);
    Py_RETURN_NONE;
}

PyObject* counter_reset(PyObject* self, PyObject*) {
    return guarded([&] { return as_int(counter_of(self)->reset()); });
}

PyObject* counter_int(PyObject* self) {
    return guarded([&] { return as_int(counter_of(self)->value()); });
}

PyObject* counter_value(PyObject* self, void*) {
    return counter_int(self);
}

int counter_bool(PyObject*) {
    return 1;  // also one that is 0
}

PyObject* counter_repr(PyObject* self) {
    return guarded([&] {
        ref value = as_int(counter_of(self)->value());
        return checked(PyUnicode_FromFormat("<allcores.Counter at %p, %S>", counter_of(self).get(),
                                            value.get()));
    });
}

Py_hash_t counter_hash(PyObject* self) {
    return Py_HashPointer(counter_of(self).get());
}

PyObject* counter_compare(PyObject* self, PyObject* other, int operation) {
    if (Py_TYPE(other) != Py_TYPE(self) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((counter_of(self) == counter_of(other)) == (operation == Py_EQ));
}

PyMethodDef counter_methods[] = {
    {"add", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(counter_add)), METH_FASTCALL,
     PyDoc_STR("add($self, n=1, /)\n--\n\n"
               "Add a number of at most 64 bits (else OverflowError), also a negative one. The sum "
               "may\nhave more.")},
    {"increment", counter_increment, METH_NOARGS, PyDoc_STR("increment($self, /)\n--\n\nAdd 1.")},
    {"reset", counter_reset, METH_NOARGS,
     PyDoc_STR("reset($self, /)\n--\n\n"
               "The value; from then on it is 0. Each addition is in the result of one reset() "
               "only.")},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef counter_properties[] = {
    {"value", counter_value, nullptr,
     PyDoc_STR("The sum: all that was added before, and of what is being added now some."),
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyDoc_STRVAR(counter_doc,
             "Counter()\n--\n\n"
             "A number that all interpreters and threads add to, without waiting for each other: "
             "each core\nhas a part of it, and the value is their sum.\n\n"
             "It goes to other interpreters as it is. It is no collections.Counter, which counts "
             "objects of\nmany kinds: for that, see Dict.update().");

PyType_Slot counter_slots[] = {
    {Py_tp_doc, const_cast<char*>(counter_doc)},
    {Py_tp_new, reinterpret_cast<void*>(counter_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(counter_dealloc)},
    {Py_tp_methods, counter_methods},
    {Py_tp_getset, counter_properties},
    {Py_tp_repr, reinterpret_cast<void*>(counter_repr)},
    {Py_tp_hash, reinterpret_cast<void*>(counter_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(counter_compare)},
    {Py_nb_int, reinterpret_cast<void*>(counter_int)},
    {Py_nb_bool, reinterpret_cast<void*>(counter_bool)},
    {0, nullptr},
};

PyType_Spec counter_spec = {
    "allcores.Counter", sizeof(counter_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    counter_slots,
};

constexpr data::pointer_type counter_crossing = {
    [](PyObject* self) -> std::shared_ptr<void> { return counter_of(self); },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        return make_object(type, std::static_pointer_cast<core_counter>(std::move(state)))
            .release();
    },
};

}  // namespace

int add_counter(PyObject* module) {
    return guarded([&] {
        ref type = checked(PyType_FromModuleAndSpec(module, &counter_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &counter_crossing);
    });
}

}  // namespace allcores::bindings
