// A weak reference is entered into its object's list, and of the frozen types frozenset has such a
// list: inside the object, so in read-only memory. CPython asks only the type whether weak
// references are possible, so the question is put where they are made: ref's constructor and
// weakref.proxy look whether the object is a frozen one first. PyWeakref_NewRef, which an extension
// module calls, can only be replaced where the module is an image (interpreter/image_weakrefs.h).
//
// Process-wide: the three pointers replaced here are in CPython's static objects, which all
// interpreters share. Each is replaced once, under a lock, by a function that does the same for
// every object that is not frozen.
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <mutex>

#include "data/freeze.h"

namespace allcores::data {

namespace {

std::mutex patching;  // guards the three below being set; they are set before the pointer that
                      // leads to a reader
newfunc original_new = nullptr;
vectorcallfunc original_call = nullptr;
PyCFunctionFast original_proxy = nullptr;

bool refused(PyObject* object) {
    if (!memory::frozen_space::contains(object) || !PyFrozenSet_CheckExact(object)) return false;
    PyErr_SetString(PyExc_TypeError, "cannot create weak reference to a frozen set");
    return true;
}

PyObject* guarded_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
    if (PyTuple_GET_SIZE(arguments) > 0 && refused(PyTuple_GET_ITEM(arguments, 0))) return nullptr;
    return original_new(type, arguments, keywords);
}

PyObject* guarded_call(PyObject* type, PyObject* const* arguments, size_t count,
                       PyObject* keywords) {
    if (PyVectorcall_NARGS(count) > 0 && refused(arguments[0])) return nullptr;
    return original_call(type, arguments, count, keywords);
}

PyObject* guarded_proxy(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
    if (count > 0 && refused(arguments[0])) return nullptr;
    return original_proxy(module, arguments, count);
}

// Classes derived from ref before it was patched have their own copy of the pointer.
int patch_derived(PyTypeObject* type) {
    PyObject* derived =
        PyObject_CallMethod(reinterpret_cast<PyObject*>(type), "__subclasses__", nullptr);
    if (derived == nullptr) return -1;
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(derived) && result == 0; i++) {
        auto* each = reinterpret_cast<PyTypeObject*>(PyList_GET_ITEM(derived, i));
        if (each->tp_new == original_new) each->tp_new = guarded_new;
        result = patch_derived(each);
    }
    Py_DECREF(derived);
    return result;
}

}  // namespace

int guard_weak_references() {
    PyObject* module = PyImport_ImportModule("_weakref");
    PyObject* proxy = module == nullptr ? nullptr : PyObject_GetAttrString(module, "proxy");
    Py_XDECREF(module);
    if (proxy == nullptr) return -1;
    {
        std::lock_guard lock(patching);
        PyTypeObject* ref = &_PyWeakref_RefType;
        if (original_new == nullptr) {
            original_new = ref->tp_new;
            ref->tp_new = guarded_new;
        }
        if (original_call == nullptr && ref->tp_vectorcall != nullptr) {
            original_call = ref->tp_vectorcall;
            ref->tp_vectorcall = guarded_call;
        }
        if (original_proxy == nullptr && PyCFunction_CheckExact(proxy)) {
            PyMethodDef* definition = reinterpret_cast<PyCFunctionObject*>(proxy)->m_ml;
            if (definition->ml_flags == METH_FASTCALL) {
                original_proxy =
                    reinterpret_cast<PyCFunctionFast>(reinterpret_cast<void*>(definition->ml_meth));
                definition->ml_meth =
                    reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(guarded_proxy));
            }
        }
    }
    Py_DECREF(proxy);
    return patch_derived(&_PyWeakref_RefType);
}

}  // namespace allcores::data
