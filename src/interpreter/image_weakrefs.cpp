#include "interpreter/image_weakrefs.h"

#include <Python.h>

#include "memory/frozen_space.h"

namespace allcores::interpreter {
namespace {

template <PyObject* (*Make)(PyObject*, PyObject*)>
PyObject* unless_frozen(PyObject* object, PyObject* callback) {
    if (memory::frozen_space::contains(object) && PyFrozenSet_CheckExact(object)) {
        PyErr_SetString(PyExc_TypeError, "cannot create weak reference to a frozen set");
        return nullptr;
    }
    return Make(object, callback);
}

}  // namespace

void* weakref_replacement(std::string_view name) noexcept {
    if (name == "PyWeakref_NewRef") {
        return reinterpret_cast<void*>(unless_frozen<PyWeakref_NewRef>);
    }
    if (name == "PyWeakref_NewProxy") {
        return reinterpret_cast<void*>(unless_frozen<PyWeakref_NewProxy>);
    }
    return nullptr;
}

}  // namespace allcores::interpreter
