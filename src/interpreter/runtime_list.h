// CPython's own list of interpreters, seen through _PyRuntime's debug offsets (the description of
// the layout that CPython publishes for profilers, PEP 768).
//
// Why: two of CPython's procedures walk this list and take for granted that no interpreter in it
// runs on a thread of its own. Py_FinalizeEx warns of "remaining subinterpreters" and ends them on
// the main thread, waiting for their GILs for ever; the child of a fork clears interpreters whose
// threads it does not have, and crashes. An interpreter that is not in the list is left alone by
// both.
#pragma once
#include <Python.h>
#include <sys/types.h>

#include <span>
#include <vector>

namespace allcores::interpreter {

// Whether the layout is known: cookie and version are those this module was built for. Otherwise
// the two below do nothing.
bool runtime_list_known() noexcept;

// Takes an interpreter out of the list, or puts it back. Any thread, no GIL needed (they take the
// list's own lock). The caller makes sure that the interpreter is not deleted by CPython while it
// is out: PyInterpreterState_Delete aborts the process when it does not find it.
bool unlink_from_runtime(PyInterpreterState* interpreter) noexcept;
void relink_to_runtime(PyInterpreterState* interpreter) noexcept;

// The OS's numbers of all threads that have a state in an interpreter of the list.
std::vector<pid_t> python_threads();

// All of _PyRuntime that can be a pointer. Empty when the layout is not known.
std::span<void*> runtime_words() noexcept;

}  // namespace allcores::interpreter
