// Wakes the event loops of an interpreter that is told to stop.
//
// Why: an exception that is raised in another thread comes where that next runs Python code, and an
// event loop that has nothing to do runs none, for ever: it waits for its descriptors.
#pragma once
#include <Python.h>

namespace allcores::interpreter {

// Of all threads of this interpreter that run one. With its GIL; runs Python code.
void wake_event_loops(PyInterpreterState* interpreter) noexcept;

}  // namespace allcores::interpreter
