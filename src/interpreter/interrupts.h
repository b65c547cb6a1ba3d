// Ctrl-C while the main thread is in another interpreter, where CPython lets no signal handler run.
//
// CPython's handler in C notes the signal for the main interpreter, and its Python handler runs
// when the main thread is back. So that this is soon, a handler of ours goes before it: it raises
// KeyboardInterrupt in the visited interpreter, as from another thread (PyThreadState_SetAsyncExc),
// and the exception brings the thread home. Only while Python's handler is the one that raises
// KeyboardInterrupt, too.
//
// All of it happens on the main thread: ours does nothing where the signal comes to another one.
#pragma once
#include <Python.h>

#include <atomic>

namespace allcores::interpreter {

class interrupts {
 public:
    // On the main thread, once: from then on its visits are known.
    static void begin() noexcept;

    // Before a visit that leaves the main interpreter, with its GIL; on any thread.
    static void prepare() noexcept {
        if (is_on_main()) prepare_on_main();
    }
    // Around the visit, with the GIL of the visited interpreter: `state` is the thread's there.
    // What enter() returns is what leave() takes.
    static PyThreadState* enter(PyThreadState* state) noexcept {
        return is_on_main() ? enter_on_main(state) : nullptr;
    }
    static void leave(PyThreadState* before) noexcept {
        if (is_on_main()) leave_on_main(before);
    }

    // Whether a visit of this thread was interrupted, once, back in the main interpreter;
    // PyErr_CheckSignals() runs the signal's handler then.
    static bool take() noexcept;

 private:
    static bool is_on_main() noexcept {
        return main_thread_.load(std::memory_order_relaxed) == &mark_;
    }
    static void prepare_on_main() noexcept;
    static PyThreadState* enter_on_main(PyThreadState* state) noexcept;
    static void leave_on_main(PyThreadState* before) noexcept;

    static thread_local char mark_;
    // The main thread's mark; written once.
    static inline std::atomic<const char*> main_thread_{nullptr};
};

}  // namespace allcores::interpreter
