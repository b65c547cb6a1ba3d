// Frozen data, as Python sees it: freeze, is_frozen, thaw, and the addresses by which messages name
// frozen objects.
#include "data/freeze.h"

#include <new>

#include "bindings/module.h"
#include "data/frozen.h"

namespace allcores::bindings {

namespace {

PyObject* frozen_address(PyObject*, PyObject* object) {
    try {
        const std::uintptr_t address = data::frozen_address(object);
        if (address == 0) Py_RETURN_NONE;
        return PyLong_FromUnsignedLongLong(address);
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

PyObject* frozen_at(PyObject*, PyObject* argument) {
    const unsigned long long address = PyLong_AsUnsignedLongLong(argument);
    if (address == static_cast<unsigned long long>(-1) && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_ValueError, "no frozen object has this address");
        }
        return nullptr;
    }
    PyObject* object = data::frozen_at(address);
    if (object == nullptr) {
        return PyErr_Format(PyExc_ValueError, "no frozen object has the address %R", argument);
    }
    return Py_NewRef(object);
}

PyObject* freeze(PyObject*, PyObject* object) {
    return data::freeze(object);
}

PyObject* thaw(PyObject*, PyObject* object) {
    return data::thaw(object);
}

PyObject* is_frozen(PyObject*, PyObject* object) {
    return PyBool_FromLong(data::is_frozen(object));
}

PyObject* frozen_bytes(PyObject*, PyObject*) {
    return PyLong_FromSize_t(memory::frozen_space::process().used_bytes());
}

PyMethodDef methods[] = {
    {"freeze", freeze, METH_O,
     "freeze(obj, /)\n--\n\n"
     "A deep copy that can't change, in memory that every interpreter reads in place.\n\n"
     "Takes None, bool, int, float, complex, str, bytes, bytearray, tuple, list, dict, set, "
     "frozenset, range,\n"
     "frozendict, and named tuples, dataclass instances and members of enumerations whose class "
     "can be\n"
     "imported. A list becomes a tuple, a set a frozenset, a bytearray bytes, a dict a read-only "
     "mapping\n"
     "(frozendict, before Python 3.15 types.MappingProxyType). What is shared stays shared. What "
     "is frozen\n"
     "already is returned as it is. The memory is never given back.\n\n"
     "Also NumPy arrays, memoryview, array.array and mmap, alone or in containers: each "
     "interpreter has a\n"
     "read-only array, or memoryview, of its own over one memory, which goes with the last of "
     "them.\n\n"
     "Raises TypeError, naming the path, for what can't be frozen; MemoryError."},
    {"is_frozen", is_frozen, METH_O,
     "is_frozen(obj, /)\n--\n\nWhether obj is frozen: freeze(obj) would return obj itself."},
    {"thaw", thaw, METH_O,
     "thaw(obj, /)\n--\n\n"
     "An ordinary, mutable copy of a frozen object, of the types that it was frozen from.\n\n"
     "Fit for json.dumps(..., default=allcores.thaw). Raises TypeError for what is not frozen, "
     "and\n"
     "ImportError or AttributeError when a class can't be found in this interpreter."},
    {"frozen_bytes", frozen_bytes, METH_NOARGS,
     "frozen_bytes()\n--\n\nBytes of memory that frozen data takes in this process."},
    {"frozen_address", frozen_address, METH_O,
     "frozen_address(obj, /)\n--\n\nThe address of a frozen object, for frozen_at; None if it is "
     "not frozen."},
    {"frozen_at", frozen_at, METH_O,
     "frozen_at(address, /)\n--\n\nThe frozen object at an address that frozen_address gave in "
     "this process.\n\n"
     "Raises ValueError for any other number."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_freeze(PyObject* module) {
    if (data::guard_weak_references() < 0) return -1;
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
