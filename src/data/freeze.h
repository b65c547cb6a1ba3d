// Freezing: a deep copy into memory that is read-only from then on, whose objects every interpreter
// reads in place; and thaw, the way back to ordinary objects. docs/frozen.md says what each type
// becomes. Of buffers only the memory is frozen, and each interpreter has objects of its own over
// it (foreign_memory.h).
//
// All are called with the GIL of the current interpreter held, which they keep: several
// interpreters may freeze at the same time. Each returns a new reference, or null with a Python
// exception set; none throws.
#pragma once
#include <Python.h>

namespace allcores::data {

PyObject* freeze(PyObject* object);

PyObject* thaw(PyObject* object);

// Whether freeze() would return the object itself.
bool is_frozen(PyObject* object);

// Makes weak references to frozen sets a TypeError; they would write into the set. Once per
// interpreter, before it sees frozen data. Returns 0, or -1 with an exception.
int guard_weak_references();

}  // namespace allcores::data
