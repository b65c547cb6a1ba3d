// The init protocols of extension modules: single-phase, multi-phase (PEP 489), exported slots (PEP
// 793).
#include "interpreter/image_module.h"

#include <dlfcn.h>

#include <string_view>
#include <utility>

#include "data/guarded.h"

namespace allcores::interpreter {
namespace {

using data::checked;
using data::python_error;
using data::ref;

template <class Function>
Function find(const image& from, std::string_view prefix, const std::string& suffix) {
    return reinterpret_cast<Function>(dlsym(from.handle, (std::string(prefix) + suffix).c_str()));
}

[[noreturn]] void raise(PyObject* type, const char* format, const std::string& name) {
    if (!PyErr_Occurred()) {
        PyErr_Format(type, format, name.c_str());
    } else {
        ref cause = ref::steal(PyErr_GetRaisedException());
        PyErr_Format(type, format, name.c_str());
        ref error = ref::steal(PyErr_GetRaisedException());
        PyException_SetCause(error.get(), cause.release());
        PyErr_SetRaisedException(error.release());
    }
    throw python_error();
}

// A single-phase module that does not register itself is registered by the importer.
void register_module(PyObject* module, PyModuleDef* definition) {
    if (definition == nullptr || definition->m_slots != nullptr) return;
    if (PyState_FindModule(definition) == module) return;
    checked(PyState_AddModule(module, definition));
}

loaded_module initialize(image_set& set, const image& from, PyObject* spec, const std::string& name,
                         const std::string& suffix) {
#if PY_VERSION_HEX >= 0x030F0000
    if (auto exported = find<PySlot* (*)()>(from, "PyModExport", suffix)) {
        const PySlot* slots = exported();
        if (slots == nullptr) {
            if (PyErr_Occurred()) throw python_error();
            raise(PyExc_SystemError, "module export hook of %s failed without setting an exception",
                  name);
        }
        if (PyErr_Occurred())
            raise(PyExc_SystemError, "module export hook of %s raised unreported exception", name);
        const image_set::any_module_allowed allowed(set);
        return {checked(PyModule_FromSlotsAndSpec(slots, spec))};
    }
#endif
    auto init = find<PyObject* (*)()>(from, "PyInit", suffix);
    if (init == nullptr) {
        throw image_error("dynamic module does not define module export function (PyInit" + suffix +
                          ")");
    }
    PyObject* result;
    {
        const image_set::naming names(name);
        // Single-phase modules import others from here, by whatever way.
        result = init();
    }
    if (result == nullptr) {
        if (PyErr_Occurred()) throw python_error();
        raise(PyExc_SystemError, "initialization of %s failed without raising an exception", name);
    }
    if (PyErr_Occurred())
        raise(PyExc_SystemError, "initialization of %s raised unreported exception", name);
    if (Py_TYPE(result) == nullptr)
        raise(PyExc_SystemError, "init function of %s returned uninitialized object", name);
    if (PyObject_TypeCheck(result, &PyModuleDef_Type)) {
        // Not a reference of ours: a definition is a part of the image.
        auto* definition = reinterpret_cast<PyModuleDef*>(result);
        const image_set::any_module_allowed allowed(set);
        return {checked(PyModule_FromDefAndSpec(definition, spec))};
    }
    ref module = ref::steal(result);
    if (!PyModule_Check(result))
        raise(PyExc_SystemError, "initialization of %s did not return an extension module", name);
    PyModuleDef* definition = PyModule_GetDef(result);
    if (definition == nullptr)
        raise(PyExc_SystemError, "initialization of %s did not return a valid extension module",
              name);
    register_module(result, definition);
    return {std::move(module), true, definition->m_size >= 0};
}

}  // namespace

loaded_module load_module(image_set& set, PyObject* spec, const std::string& name,
                          const std::string& path, const std::string& suffix) {
    const image from = set.open(path);
    try {
        return initialize(set, from, spec, name, suffix);
    } catch (const python_error&) {
        // What failed half-way may have left anything in its globals. (The exception stays set.)
        set.forget(path);
        throw;
    }
}

}  // namespace allcores::interpreter
