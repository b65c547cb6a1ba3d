// allcores._core: the extension module. Multi-phase init (PEP 489), one module object per
// interpreter, no static state.
#include "bindings/module.h"

namespace {

using add_part = int (*)(PyObject* module);

// One line a file of bindings/.
constexpr add_part parts[] = {
    allcores::bindings::add_freeze,       allcores::bindings::add_interpreter,
    allcores::bindings::add_http,         allcores::bindings::add_image,
    allcores::bindings::add_compiled,     allcores::bindings::add_message,
    allcores::bindings::add_frozen_names, allcores::bindings::add_server_options,
    allcores::bindings::add_view,         allcores::bindings::add_channel,
    allcores::bindings::add_dict,         allcores::bindings::add_counter,
    allcores::bindings::add_kept,         allcores::bindings::add_proxy,
    allcores::bindings::add_calling,
};

int execute(PyObject* module) {
    if (PyModule_AddStringConstant(module, "__version__", ALLCORES_VERSION) < 0) return -1;
    for (add_part part : parts) {
        if (part != nullptr && part(module) < 0) return -1;
    }
    return 0;
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "allcores._core",
    "The C++ part of allcores; use the allcores package.",
    0,
    nullptr,
    slots,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__core() {
    return PyModuleDef_Init(&definition);
}
