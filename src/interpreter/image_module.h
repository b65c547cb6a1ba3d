// From an image to a Python module: calling its init function, in the interpreter that owns it.
//
// CPython's importer runs the init function of a single-phase module in the main interpreter and
// copies the module's dict over, which mixes two heaps. Here it runs where the module will live.
//
// To be called with the GIL of the interpreter of the set.
#pragma once
#include <Python.h>

#include <string>

#include "data/ref.h"
#include "interpreter/image_set.h"

namespace allcores::interpreter {

struct loaded_module {
    data::ref module;
    bool single_phase = false;  // finished by its init function
    bool has_state = false;     // single-phase: may be initialized more than once (m_size >= 0)
};

// Makes the module `name`, whose init functions are `PyInit` or, on 3.15,
// `PyModExport` with `suffix` after it.
// Throws data::python_error, image_error, elf_error. What fails leaves nothing behind.
loaded_module load_module(image_set& set, PyObject* spec, const std::string& name,
                          const std::string& path, const std::string& suffix);

}  // namespace allcores::interpreter
