#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include <Python.h>
// CPython's own, for the loop that a thread runs:
#include <internal/pycore_tstate.h>

#include <new>
#include <vector>

#include "data/ref.h"
#include "interpreter/event_loops.h"

namespace allcores::interpreter {

void wake_event_loops(PyInterpreterState* interpreter) noexcept {
    using data::ref;
    std::vector<ref> loops;
    try {
        for (PyThreadState* state = PyInterpreterState_ThreadHead(interpreter); state != nullptr;
             state = PyThreadState_Next(state)) {
            PyObject* loop = reinterpret_cast<_PyThreadStateImpl*>(state)->asyncio_running_loop;
            if (loop != nullptr && loop != Py_None) loops.push_back(ref::borrow(loop));
        }
    } catch (const std::bad_alloc&) {  // those that were found
    }
    for (const ref& loop : loops) {
        // That does nothing but wake it: object() is as good as anything.
        const ref done =
            ref::steal(PyObject_CallMethod(loop.get(), "call_soon_threadsafe", "O",
                                           reinterpret_cast<PyObject*>(&PyBaseObject_Type)));
        if (!done) PyErr_Clear();  // it has just been closed
    }
}

}  // namespace allcores::interpreter
