// Modules' code, from the bytes that the importer has read: the second interpreter that comes with
// some unmarshals it and leaves a template (data/code_template.h), from which it and all that
// follow make theirs. Where there are fewer than four interpreters, which costs them more than it
// saves, each unmarshals for itself. Found by all of these bytes, so that what is imported is
// always what was read.
//
// Templates stay until the process ends, as what they refer to: together twice the size of the
// bytes. There are only so many of them, for a program that never stops to make modules.
#pragma once
#include <Python.h>

#include <string_view>

namespace allcores::data {

// As the extension module is loaded, with a GIL: what a fork needs. More than once is fine.
void prepare_module_code();

// The current interpreter's table of interned strings, a dict, which CPython tells nobody of. A new
// reference; null, with or without an exception: it was not found, or CPython is not as it is known
// here, and there is no code to be had from load_module_code.
PyObject* interned_strings() noexcept;

// As marshal.loads(), also where it is no code or there are errors: a new reference; null with an
// exception. Null without one: only marshal.loads() itself can do it, as somebody watches the
// making of code. With the GIL; `interned` is the current interpreter's table.
PyObject* load_module_code(std::string_view data, PyObject* interned) noexcept;

}  // namespace allcores::data
