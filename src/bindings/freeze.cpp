// Frozen data, as Python sees it: freeze, is_frozen, thaw, and the addresses by which messages name
// frozen objects.
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

PyMethodDef methods[] = {
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
    return PyModule_AddFunctions(module, methods);
}

}  // namespace allcores::bindings
